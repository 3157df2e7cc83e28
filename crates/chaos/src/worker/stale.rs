//! The stale committer: sends real batches, and parts of steps, in the name of workers that are dead.
//!
//! What it sends says something else than what happened, so that a batch that is taken shows in the database too.
//! Half of the batches are about executions that run now, and belong to others.

use std::sync::Arc;

use serde_json::{Value, json};
use sqlx::PgPool;
use turbocat_domain::{
    id::{ExecutionId, WorkerId},
    port::{CommitOutcome, JournalBatch, PartKind, StepPart, StepPlace},
    step_run::StepOutcome,
};
use uuid::Uuid;

use super::{Setup, tap::Tap};
use crate::dice::Dice;

/// Sends stale commits for as long as the process lives.
pub(super) async fn commit_now_and_then(setup: Setup, tap: Arc<Tap>) {
    let mut dice = Dice::new(setup.seed, &format!("stale {}", setup.name));
    loop {
        tokio::time::sleep(dice.ms(300, 1_500)).await;
        let Ok((dead, running)) = look(tap.asker()).await else { continue };
        if let (true, Some(dead), Some(running)) = (dice.percent(30), dice.pick(&dead), dice.pick(&running)) {
            record(&tap, WorkerId::from_uuid(*dead), ExecutionId::from_uuid(*running)).await;
            continue;
        }
        let remembered = tap.remembered();
        let (Some(dead), Some(batch)) = (dice.pick(&dead), dice.pick(&remembered)) else { continue };
        let onto = if dice.percent(50) { dice.pick(&running) } else { None };
        let stale = alter(batch, onto.map(|id| ExecutionId::from_uuid(*id)));
        match tap.commit_stale(WorkerId::from_uuid(*dead), &stale).await {
            Ok(CommitOutcome::Fenced) => {}
            Ok(CommitOutcome::Committed) => tracing::error!(worker.id = %dead, "a stale commit was taken"),
            // Of one whose answer was lost nothing is known: it is not counted.
            Err(error) => tracing::debug!(%error, "the outcome of a stale commit is not known"),
        }
    }
}

/// Sends a part of an execution that runs, and belongs to another.
async fn record(tap: &Tap, dead: WorkerId, execution_id: ExecutionId) {
    let step = StepPlace { execution_id, path: "stale".to_owned() };
    let part = StepPart { key: "turn.1".to_owned(), kind: PartKind::Turn, data: json!({ "stale": true }) };
    if let Err(error) = tap.record_stale(dead, &step, &part).await {
        tracing::debug!(%error, "the outcome of a stale part is not known");
    }
}

/// Workers that are dead, the last ones first, and executions that run.
async fn look(asker: &PgPool) -> sqlx::Result<(Vec<Uuid>, Vec<Uuid>)> {
    let dead = "SELECT id FROM workers WHERE dead_at IS NOT NULL ORDER BY dead_at DESC LIMIT 20";
    let running = "SELECT id FROM executions WHERE status = 'running' AND worker_id IS NOT NULL LIMIT 50";
    Ok((sqlx::query_scalar(dead).fetch_all(asker).await?, sqlx::query_scalar(running).fetch_all(asker).await?))
}

/// Makes a batch say something that did not happen, of its own executions or of another one.
fn alter(batch: &JournalBatch, onto: Option<ExecutionId>) -> JournalBatch {
    let mut stale = batch.clone();
    let lie = || json!({ "stale": true });
    for record in &mut stale.records {
        record.outcome = match &record.outcome {
            StepOutcome::Completed(_) => StepOutcome::Completed(lie()),
            other => other.clone(),
        };
    }
    for finished in &mut stale.finished {
        finished.output = if finished.output == Value::Null { Value::Null } else { lie() };
    }
    if let Some(other) = onto {
        // One row a key: of several, the first is enough.
        stale.records.truncate(1);
        stale.finished.truncate(1);
        stale.parked.truncate(1);
        stale.records.iter_mut().for_each(|record| record.execution_id = other);
        stale.finished.iter_mut().for_each(|finished| {
            finished.id = other;
            finished.parent = None;
        });
        stale.parked.iter_mut().for_each(|parked| parked.id = other);
    }
    stale
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use turbocat_domain::step_run::StepRecord;

    use super::*;

    fn record(path: &str) -> StepRecord {
        StepRecord {
            execution_id: ExecutionId::from_uuid(Uuid::from_u128(1)),
            path: path.to_owned(),
            attempt: 1,
            seq: 0,
            outcome: StepOutcome::Completed(json!(42)),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: Some(DateTime::UNIX_EPOCH),
            workflow_step_id: None,
            agent_id: None,
        }
    }

    #[test]
    fn a_stale_batch_says_something_else_and_may_be_about_another_execution() {
        let batch = JournalBatch { records: vec![record("a"), record("b")], ..JournalBatch::default() };
        let own = alter(&batch, None);
        let other = ExecutionId::from_uuid(Uuid::from_u128(2));
        let others = alter(&batch, Some(other));

        assert_eq!(own.records.len(), 2);
        assert!(own.records.iter().all(|record| record.outcome == StepOutcome::Completed(json!({ "stale": true }))));
        assert_eq!(others.records.iter().map(|record| record.execution_id).collect::<Vec<_>>(), [other]);
    }
}
