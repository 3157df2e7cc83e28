//! The report as people read it.

use std::io::{self, Write};

use super::{Figures, Report, TargetKind, Workload};
use crate::machine::Machine;

/// A figure: what it is called, which one it is, and how many of it make one of the unit.
type Row = (&'static str, fn(&Figures) -> Option<f64>, f64);

const ROWS: [Row; 11] = [
    ("steps/s", |figures| figures.steps_per_s, 1.0),
    ("executions/s", |figures| figures.executions_per_s, 1.0),
    ("latency of an execution p50, ms", |figures| figures.p50_ms, 1.0),
    ("latency of an execution p99, ms", |figures| figures.p99_ms, 1.0),
    ("commits/step", |figures| figures.commits_per_step, 1.0),
    ("round trips/step", |figures| figures.round_trips_per_step, 1.0),
    ("WAL/step, bytes", |figures| figures.wal_bytes_per_step, 1.0),
    ("rows written/step", |figures| figures.rows_per_step, 1.0),
    ("server CPU/step, us", |figures| figures.server_cpu_us_per_step, 1.0),
    ("engine CPU/step, us", |figures| figures.engine_cpu_us_per_step, 1.0),
    ("most memory, MiB", |figures| figures.rss_bytes_max, 1_048_576.0),
];

/// Prints a report as people read it.
///
/// # Errors
///
/// If nobody takes it.
pub(crate) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    machine(&report.machine, out)?;
    for workload in &report.workloads {
        figures(workload, out)?;
        for target in &workload.targets {
            let sign = match target.kind {
                TargetKind::Min => ">=",
                TargetKind::Max => "<=",
            };
            let (value, bound) = (rounded(target.value), rounded(target.bound));
            let verdict = if target.met { "met" } else { "MISSED" };
            writeln!(out, "  target: {} {value} {sign} {bound}: {verdict}", target.name)?;
        }
        for note in &workload.notes {
            writeln!(out, "  note: {note}")?;
        }
    }
    Ok(())
}

fn figures(workload: &Workload, out: &mut dyn Write) -> io::Result<()> {
    let heads = if workload.limit == Figures::default() { ("", "") } else { ("engine", "limit") };
    let head = format!("{:<36}{:>12}{:>12}", workload.name, heads.0, heads.1);
    writeln!(out, "\n{}", head.trim_end())?;
    for (name, figure, unit) in ROWS {
        let text = |figures| figure(figures).map(|value| rounded(value / unit));
        let (engine, limit) = (text(&workload.figures), text(&workload.limit));
        if engine.is_some() || limit.is_some() {
            let line = format!("  {name:<34}{:>12}{:>12}", engine.unwrap_or_default(), limit.unwrap_or_default());
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    if let Some(ratio) = workload.ratio_to_limit {
        writeln!(out, "  {:<34}{:>12}", "ratio to the limit", rounded(ratio))?;
    }
    Ok(())
}

fn machine(machine: &Machine, out: &mut dyn Write) -> io::Result<()> {
    let gib = crate::stats::number(machine.memory_bytes) / 1_073_741_824.0;
    let (cpu, cores, kernel) = (&machine.cpu, machine.cores, &machine.kernel);
    writeln!(out, "{cpu}, {cores} cores, {gib:.0} GiB, Linux {kernel}")?;
    let settings: Vec<String> = machine.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    writeln!(out, "PostgreSQL {}: {}", machine.postgres, settings.join(", "))
}

/// A number with about three digits that count, and thousands set apart.
fn rounded(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.find('.').map_or((text.as_str(), ""), |point| text.split_at(point));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().rev().enumerate() {
        if place > 0 && place % 3 == 0 && digit.is_ascii_digit() {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped.chars().rev().collect::<String>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Target;

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!(rounded(26_432.7), "26,433");
        assert_eq!(rounded(1_234_567.0), "1,234,567");
        assert_eq!(rounded(99.96), "100.0");
        assert_eq!(rounded(2.297), "2.30");
        assert_eq!(rounded(0.019_71), "0.0197");
        assert_eq!(rounded(-1_500.0), "-1,500");
    }

    #[test]
    fn the_table_says_of_each_target_whether_it_was_met() {
        let machine = Machine {
            cpu: "CPU".to_owned(),
            cores: 2,
            memory_bytes: 0,
            kernel: "6".to_owned(),
            postgres: "15".to_owned(),
            settings: [("fsync".to_owned(), "on".to_owned())].into(),
            private_server: true,
        };
        let workload = Workload {
            name: "chain".to_owned(),
            figures: Figures { steps_per_s: Some(25_000.0), ..Figures::default() },
            targets: vec![Target::at_least("steps/s", 25_000.0, 20_000.0), Target::at_most("WAL", 951.0, 950.0)],
            ..Workload::default()
        };
        let mut out = Vec::new();

        print(&Report { machine, workloads: vec![workload] }, &mut out).unwrap();

        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("fsync on") && text.contains("25,000"), "{text}");
        assert!(text.contains("steps/s 25,000 >= 20,000: met") && text.contains("WAL 951 <= 950: MISSED"), "{text}");
        assert!(!text.contains("p50"), "{text}");
    }
}
