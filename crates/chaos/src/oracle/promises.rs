//! What was promised to those outside: what is accepted ends, soon, and leaves nothing behind.

use super::{
    snapshot::Snapshot,
    tally::{Findings, Tally},
};
use crate::evidence::{Evidence, Sent};

/// What is answered to be accepted is there.
pub(crate) const LOST: &str = "accepted_lost";
/// Each execution has ended.
pub(crate) const ENDED: &str = "not_ended";
/// What is ended from outside ends so, if nothing else ends it.
pub(crate) const CANCELS: &str = "cancels";
/// What has ended leaves no waits, no owner, and no facts that are not folded.
pub(crate) const LEFT: &str = "left_behind";
/// No execution is without a living owner for long.
pub(crate) const ORPHANED: &str = "orphaned";
/// What a killed worker owned is soon owned by others.
pub(crate) const KILLED: &str = "takeover_after_kill";
/// What a paused worker owned is soon owned by others.
pub(crate) const PAUSED: &str = "takeover_after_pause";
/// After the last fault all ends soon.
pub(crate) const HEALED: &str = "healed";

const ORPHANED_MS_MAX: u64 = 15_000;
const KILLED_MS_MAX: u64 = 2_000;
const PAUSED_MS_MAX: u64 = 12_000;
const HEALED_MS_MAX: u64 = 30_000;

/// Looks at what was asked for and answered.
pub(crate) fn judge_sent(evidence: &Evidence, snapshot: &Snapshot, tally: &mut Tally) {
    for sent in evidence.sent.iter().filter(|sent| sent.is_accepted) {
        let Sent { order, is_cancel_answered, .. } = sent;
        let row = snapshot.executions.get(&order.id);
        let name = row.and_then(|row| snapshot.workflows.get(&row.workflow_id)).map(|workflow| workflow.name.as_str());
        let is_there = row.is_some_and(|row| row.input_data == order.input) && name == Some(order.workflow.as_str());
        tally.test(LOST, is_there, || format!("{}: {} was accepted, and {name:?} is there", order.id, order.workflow));
        if let Some(row) = row.filter(|_| *is_cancel_answered) {
            // Whether it ended in time to be none is the model's to say.
            let is_known = row.is_cancel_requested || row.has_ended();
            tally
                .test(CANCELS, is_known, || format!("{}: a cancel was answered, and nothing is there of it", order.id));
        }
    }
    tally.count("accepted", evidence.sent.iter().filter(|sent| sent.is_accepted).count());
}

/// Looks at what is left.
pub(crate) fn judge_rows(snapshot: &Snapshot, tally: &mut Tally) {
    for row in snapshot.executions.values() {
        tally.test(ENDED, row.has_ended(), || format!("{}: it is {}", row.id, row.status));
        tally.test(LEFT, !(row.has_ended() && row.worker_id.is_some()), || {
            format!("{}: it is {}, and owned by {:?}", row.id, row.status, row.worker_id)
        });
    }
    for id in &snapshot.waits {
        let has_ended = snapshot.executions.get(id).is_none_or(super::snapshot::ExecutionRow::has_ended);
        tally.test(LEFT, !has_ended, || format!("{id}: it has ended, and still waits for an event"));
    }
    tally.test(LEFT, snapshot.counter_deltas == 0, || format!("{} facts are not folded", snapshot.counter_deltas));
}

/// Looks at how long things took.
pub(crate) fn judge_times(evidence: &Evidence, tally: &mut Tally) {
    let orphaned = evidence.orphaned_ms_max;
    tally.test(ORPHANED, orphaned <= ORPHANED_MS_MAX, || {
        format!("an execution had a dead owner for {orphaned} ms; {ORPHANED_MS_MAX} are allowed")
    });
    let limits = [
        (KILLED, &evidence.takeovers_after_kill_ms, KILLED_MS_MAX),
        (PAUSED, &evidence.takeovers_after_pause_ms, PAUSED_MS_MAX),
    ];
    for (rule, times, most) in limits {
        let p99 = p99(times);
        // Of a hundred one may be late, and of fewer none.
        for time in times {
            tally.test(rule, *time <= most || p99.is_some_and(|p99| p99 <= most), || {
                format!("it took {time} ms; the 99th percentile is {p99:?}, and {most} are allowed")
            });
        }
    }
    let healed = evidence.healed_ms;
    tally.test(HEALED, healed.is_some_and(|ms| ms <= HEALED_MS_MAX), || match healed {
        Some(ms) => format!("it took {ms} ms after the last fault; {HEALED_MS_MAX} are allowed"),
        None => "not everything had ended when the run did".to_owned(),
    });
}

/// Adds what is told besides the rules.
pub(crate) fn with_times(findings: Findings, evidence: &Evidence) -> Findings {
    Findings {
        takeover_p99_ms: p99(&evidence.takeovers_after_kill_ms),
        takeover_pause_p99_ms: p99(&evidence.takeovers_after_pause_ms),
        ..findings
    }
}

/// The 99th percentile, by the nearest rank.
fn p99(times: &[u64]) -> Option<u64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * 99).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}
