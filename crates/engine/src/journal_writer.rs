//! The journal's writer: one task that commits one batch after another.
//!
//! The shard hands it everything that gathered while the last commit was under way, so there is no timer and no
//! linger: an idle writer commits one fact at once, a busy one commits thousands together.
//!
//! # Invariants
//!
//! 1. A batch whose outcome is unknown is sent again as it is, for as long as the lease is trusted.
//! 2. What storage refuses for good costs one execution, not its neighbours in the batch.
//! 3. In one batch there is one record an attempt: its end, if it has one, and of two ends the earlier.

use std::{collections::BTreeSet, sync::Arc};

use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};
use turbocat_domain::{
    id::ExecutionId,
    port::{CommitOutcome, JournalBatch, RepositoryError},
    step_run::{StepOutcome, StepRecord},
};
use turbocat_planted::{Bug, is_planted};

use crate::{
    backoff::Backoff,
    core::{Chain, pause},
    lease::LeaseEnd,
    life::Life,
    shard::Message,
};

/// What became of a batch that was handed over.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The lane that it came from.
    pub(crate) lane: usize,
    /// What was committed, except of those refused.
    pub(crate) batch: Arc<JournalBatch>,
    /// The executions whose part storage refuses for good.
    pub(crate) refused: BTreeSet<ExecutionId>,
}

/// Commits batches until the life ends.
pub(crate) async fn write(life: Arc<Life>, lane: usize, mut batches: UnboundedReceiver<JournalBatch>) {
    while let Some(mut batch) = batches.recv().await {
        one_record_an_attempt(&mut batch.records);
        let committed = tokio::select! {
            biased;
            () = life.lease.ended.cancelled() => return,
            committed = commit(&life, Arc::new(batch)) => committed,
        };
        let Some((batch, refused)) = committed else { return };
        let committed = Committed { lane, batch, refused };
        if life.shard.send(Message::Committed(committed)).is_err() {
            return;
        }
    }
}

/// Sorts the records by their key, which is also the order in which rows are locked.
fn one_record_an_attempt(records: &mut Vec<StepRecord>) {
    let is_running = |record: &StepRecord| record.outcome == StepOutcome::Running;
    records.retain(|record| !is_planted(Bug::RecordsDropped) || !matches!(record.outcome, StepOutcome::Skipped(_)));
    records.sort_unstable_by(|a, b| {
        (a.execution_id, &a.path, a.attempt, is_running(a), a.seq).cmp(&(
            b.execution_id,
            &b.path,
            b.attempt,
            is_running(b),
            b.seq,
        ))
    });
    records.dedup_by(|later, earlier| {
        later.execution_id == earlier.execution_id && later.attempt == earlier.attempt && later.path == earlier.path
    });
}

/// Commits a batch, in parts if storage refuses it as a whole. Returns it, and what is refused of it; `None` if the lease ended.
async fn commit(life: &Arc<Life>, batch: Arc<JournalBatch>) -> Option<(Arc<JournalBatch>, BTreeSet<ExecutionId>)> {
    let mut refused = BTreeSet::new();
    let mut parts = vec![Arc::clone(&batch)];
    while let Some(part) = parts.pop() {
        let Err(error) = commit_part(life, &part).await? else { continue };
        if let Some((left, right)) = split(&part) {
            parts.extend([Arc::new(right), Arc::new(left)]);
        } else {
            let execution = executions(&part).into_iter().next()?;
            tracing::error!(execution.id = %execution, error = %Chain(&error), "storage refuses the results");
            refused.insert(execution);
        }
    }
    Some((batch, refused))
}

/// Commits a part, again and again while that fails transiently. `None` if the lease ended.
async fn commit_part(life: &Arc<Life>, part: &Arc<JournalBatch>) -> Option<Result<(), RepositoryError>> {
    let (mut backoff, mut resends) = (Backoff::default(), false);
    while life.lease.is_trusted() {
        let part = if resends && is_planted(Bug::ResentAsNew) { as_new_attempts(part) } else { Arc::clone(part) };
        resends = true;
        let (journal, worker) = (Arc::clone(&life.core.ports.journal), life.lease.worker);
        let (sent, sent_at) = (Arc::clone(&part), Instant::now());
        match life.core.call(async move { journal.commit(worker, &sent).await }).await {
            Ok(CommitOutcome::Committed) => {
                life.core.tally.flushed(&part, sent_at.elapsed());
                return Some(Ok(()));
            }
            Ok(CommitOutcome::Fenced) => {
                life.lease.end(LeaseEnd::Fenced);
                return None;
            }
            Err(_) if is_planted(Bug::DoubtIsSuccess) => return Some(Ok(())),
            Err(error) if error.is_transient() => pause("journal.commit", &error, backoff.next()).await,
            Err(error) => return Some(Err(error)),
        }
    }
    life.lease.end(LeaseEnd::Lapsed);
    None
}

/// The same results under the numbers of the next attempts: what a planted bug sends.
fn as_new_attempts(part: &JournalBatch) -> Arc<JournalBatch> {
    let mut part = part.clone();
    part.records.iter_mut().for_each(|record| record.attempt += 1);
    Arc::new(part)
}

/// Cuts a part in two between executions; `None` if it is about one only.
fn split(part: &JournalBatch) -> Option<(JournalBatch, JournalBatch)> {
    let executions = executions(part);
    let first_of_right = *executions.iter().nth(executions.len() / 2).filter(|_| executions.len() > 1)?;
    let (mut left, mut right) = (JournalBatch::default(), JournalBatch::default());
    let (records_left, records_right) = part.records.iter().cloned().partition(|r| r.execution_id < first_of_right);
    let (finished_left, finished_right) = part.finished.iter().cloned().partition(|end| end.id < first_of_right);
    let (parked_left, parked_right) = part.parked.iter().cloned().partition(|parked| parked.id < first_of_right);
    (left.records, left.finished, left.parked) = (records_left, finished_left, parked_left);
    (right.records, right.finished, right.parked) = (records_right, finished_right, parked_right);
    Some((left, right))
}

fn executions(part: &JournalBatch) -> BTreeSet<ExecutionId> {
    let records = part.records.iter().map(|record| record.execution_id);
    let finished = part.finished.iter().map(|end| end.id);
    records.chain(finished).chain(part.parked.iter().map(|parked| parked.id)).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::Value;
    use turbocat_domain::step_run::SkipReason;
    use uuid::Uuid;

    use super::*;

    fn record(execution: u128, path: &str, seq: u32, outcome: StepOutcome) -> StepRecord {
        StepRecord {
            execution_id: ExecutionId::from_uuid(Uuid::from_u128(execution)),
            path: path.to_owned(),
            attempt: 1,
            seq,
            outcome,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: None,
            workflow_step_id: None,
            agent_id: None,
        }
    }

    #[test]
    fn of_one_attempt_the_earliest_end_is_kept() {
        let completed = record(1, "a", 4, StepOutcome::Completed(Value::Null));
        let mut records = vec![
            record(2, "a", 0, StepOutcome::Running),
            record(1, "a", 9, StepOutcome::Skipped(SkipReason::Cancelled)),
            record(1, "a", 0, StepOutcome::Running),
            completed.clone(),
        ];
        one_record_an_attempt(&mut records);

        assert_eq!(records, [completed, record(2, "a", 0, StepOutcome::Running)]);
    }

    #[test]
    fn a_part_is_cut_between_executions_until_it_is_about_one() {
        let records =
            (1..=5).flat_map(|id| [record(id, "a", 0, StepOutcome::Running), record(id, "b", 1, StepOutcome::Running)]);
        let whole = JournalBatch { records: records.collect(), ..JournalBatch::default() };
        let mut parts = vec![whole];
        let mut singles = Vec::new();
        while let Some(part) = parts.pop() {
            match split(&part) {
                Some((left, right)) => parts.extend([left, right]),
                None => singles.push(part.records.len()),
            }
        }

        assert_eq!(singles, [2; 5]);
    }
}
