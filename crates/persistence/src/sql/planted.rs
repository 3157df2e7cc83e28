//! Statements with a rule taken out of them, for the bugs that are planted on purpose. A release has none of it.

use std::borrow::Cow;

use turbocat_planted::{Bug, is_planted};

/// What a bug writes in the place of what.
const CHANGES: [(Bug, &str, &str); 8] = [
    (Bug::NoFence, "WHERE id = {worker} AND dead_at IS NULL FOR", "WHERE id = {worker} FOR"),
    (Bug::NoFence, " AND executions.worker_id IS NOT DISTINCT FROM fence.id\n    )", "\n    )"),
    (Bug::NoFence, COMMIT_OWNER, "WHERE gate.worker_id IS NOT NULL"),
    (
        Bug::TakeoverWithoutDeath,
        "UPDATE workers SET dead_at = LOCALTIMESTAMP WHERE",
        "UPDATE workers SET dead_at = NULL WHERE",
    ),
    (
        Bug::TakeoverForgets,
        FREED,
        "FROM orphans WHERE executions.id = orphans.id AND hashtext(orphans.id::text) % 2 = 0",
    ),
    (
        Bug::ClaimsOwned,
        "WHERE worker_id IS NULL AND wake_at <= LOCALTIMESTAMP AND EXISTS",
        "WHERE wake_at <= LOCALTIMESTAMP AND EXISTS",
    ),
    (Bug::CountedAgain, COUNTED, COUNTED_AGAIN),
    (Bug::PartsUnfenced, PARTS_FENCE, PARTS_UNFENCED),
];

const COMMIT_OWNER: &str =
    "WHERE (SELECT worker_id FROM executions WHERE executions.id = batch.execution_id) = gate.worker_id";
const FREED: &str = "FROM orphans WHERE executions.id = orphans.id";
const COUNTED: &str = " AND status IN ('completed', 'failed')
      AND (standing IS NULL OR standing = 'running')";
const COUNTED_AGAIN: &str = " AND status IN ('completed', 'failed')";

const PARTS_FENCE: &str = "WHERE id = $1 AND dead_at IS NULL FOR KEY SHARE
),
gate AS MATERIALIZED (
    SELECT executions.id, executions.user_id, executions.workflow_id FROM fence, executions
    WHERE executions.id = $2 AND executions.worker_id IS NOT DISTINCT FROM fence.id
";
const PARTS_UNFENCED: &str = "WHERE id = $1 FOR KEY SHARE
),
gate AS MATERIALIZED (
    SELECT executions.id, executions.user_id, executions.workflow_id FROM fence, executions
    WHERE executions.id = $2
";

/// The statement as it is to be run: as it is written, unless a bug is planted in it.
pub(super) fn changed(sql: &str) -> Cow<'_, str> {
    let planted = CHANGES.iter().filter(|(bug, ..)| is_planted(*bug));
    planted.fold(
        Cow::Borrowed(sql),
        |sql, (_, from, to)| {
            if sql.contains(from) { Cow::Owned(sql.replace(from, to)) } else { sql }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_runs_what_is_written_and_each_bug_finds_its_place() {
        let files = [
            include_str!("commit_journal.sql"),
            include_str!("free_executions.sql"),
            include_str!("claim_executions.sql"),
            include_str!("record_step_part.sql"),
        ];

        assert!(files.iter().all(|sql| changed(sql) == *sql));
        for (bug, from, to) in CHANGES {
            let places: usize = files.iter().map(|sql| sql.matches(from).count()).sum();
            assert_eq!(places, 1, "{bug:?} changes one place");
            assert_ne!(from, to);
        }
    }
}
