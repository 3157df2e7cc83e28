//! The metrics of workflows and agents are the fold of what was committed.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    case::whole_ms,
    snapshot::{MetricRow, Snapshot},
    tally::Tally,
};

/// Those of workflows.
pub(crate) const WORKFLOWS: &str = "workflow_metrics";
/// Those of agents.
pub(crate) const AGENTS: &str = "agent_metrics";

#[derive(Default)]
struct Sum {
    total: i64,
    succeeded: i64,
    failed: i64,
    duration_ms: i64,
}

impl Sum {
    fn add(&mut self, has_succeeded: bool, duration_ms: i64) {
        self.total += 1;
        self.succeeded += i64::from(has_succeeded);
        self.failed += i64::from(!has_succeeded);
        self.duration_ms += duration_ms;
    }

    /// The average to the nearest millisecond, halves up.
    fn average_ms(&self) -> i64 {
        if self.total == 0 { 0 } else { (2 * self.duration_ms + self.total) / (2 * self.total) }
    }

    fn judge(&self, rule: &'static str, row: &MetricRow, tally: &mut Tally) {
        let expected = (self.total, self.succeeded, self.failed, self.average_ms());
        let found = (row.total_executions, row.successful_executions, row.failed_executions, row.avg_execution_time_ms);
        let as_wide = (i64::from(found.0), i64::from(found.1), i64::from(found.2), i64::from(found.3));
        tally.test(rule, expected == as_wide, || {
            format!("{}: total, succeeded, failed, average had to be {expected:?}, and are {found:?}", row.name)
        });
    }
}

/// Folds all facts again.
pub(crate) fn judge_metrics(snapshot: &Snapshot, tally: &mut Tally) {
    let mut workflows: BTreeMap<Uuid, Sum> = BTreeMap::new();
    for row in snapshot.executions.values().filter(|row| row.has_ended()) {
        let duration_ms = row.duration_ms.map_or(0, i64::from);
        workflows.entry(row.workflow_id).or_default().add(row.status == "completed", duration_ms);
    }
    let mut agents: BTreeMap<Uuid, Sum> = BTreeMap::new();
    for step in snapshot.steps.values().flatten().filter(|step| step.has_run()) {
        if let (Some(agent), Some(ended)) = (step.agent_id, step.ended_at) {
            agents.entry(agent).or_default().add(step.status == "completed", whole_ms(step.started_at, ended));
        }
    }
    for (rule, sums, rows) in [(WORKFLOWS, workflows, &snapshot.workflows), (AGENTS, agents, &snapshot.agents)] {
        for (id, row) in rows {
            sums.get(id).unwrap_or(&Sum::default()).judge(rule, row, tally);
        }
    }
}
