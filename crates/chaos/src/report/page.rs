//! The page for people.

use std::fmt;

use super::Report;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "turbocat chaos · seed {} · {:.1} min · {}", self.seed, self.minutes, self.commit)?;
        writeln!(f)?;
        self.write_figures(f)?;
        self.write_rules(f)?;
        self.write_examples(f)?;
        self.write_verdict(f)
    }
}

impl Report {
    fn write_figures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time} ms"));
        let faults: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(", ") };
        writeln!(f, "  faults       {faults}")?;
        writeln!(f, "  executions   {} accepted, {} lost", self.accepted, self.lost)?;
        writeln!(
            f,
            "  effects      {}; {} attempts were lost with their workers; {} duplicates without such a reason",
            self.effects, self.lost_attempts, self.effects_duplicated
        )?;
        writeln!(f, "  stale        {} commits tried, {} accepted", self.stale_tried, self.stale_accepted)?;
        writeln!(f, "  ambiguous    {} commits", self.ambiguous_commits)?;
        writeln!(
            f,
            "  takeovers    {}; p99 {} after a kill, {} after a pause",
            self.takeovers,
            ms(self.takeover_p99_ms),
            ms(self.takeover_pause_p99_ms)
        )?;
        writeln!(f, "  healed       {} after the last fault", ms(self.healed_ms))?;
        writeln!(f)
    }

    fn write_rules(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:<26}{:>10}{:>10}", "rule", "tried", "broken")?;
        for finding in &self.findings {
            let mark = if finding.broken > 0 { "  <-" } else { "" };
            writeln!(f, "  {:<26}{:>10}{:>10}{mark}", finding.name, finding.tried, finding.broken)?;
        }
        writeln!(f)
    }

    fn write_examples(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.iter().filter(|finding| finding.broken > 0) {
            writeln!(f, "  {} was broken {} times:", finding.name, finding.broken)?;
            for example in &finding.examples {
                writeln!(f, "    {example}")?;
            }
        }
        for waived in &self.waived {
            writeln!(f, "  not asked for: {waived}")?;
        }
        for few in &self.too_few {
            writeln!(f, "  too few: {few}")?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = self.findings.iter().filter(|finding| finding.broken > 0).count();
        match (self.ok, self.valid) {
            (true, true) => write!(f, "OK: nothing was lost or done twice, and no rule was broken"),
            (true, false) => write!(f, "NOT VALID: no rule was broken, but not all were put to the test often enough"),
            (false, _) => write!(f, "BROKEN: {broken} rules do not hold"),
        }
    }
}
