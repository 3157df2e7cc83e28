//! The rules of the metrics.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use turbocat_domain::{
    execution::ExecutionStatus,
    port::FinishedExecution,
    step_run::{SkipReason, StepError, StepOutcome, StepRecord},
};

use super::{
    ContractStore, Scene,
    scene::{finish, write},
};
use crate::{builder::a_completion, clock::epoch};

/// The metrics of the scene's workflow and agent: total, successful, failed, average, and when it last ran.
async fn metrics(store: &dyn ContractStore, scene: &Scene) -> ([u32; 4], Option<DateTime<Utc>>, [u32; 4]) {
    let workflow = store.workflows().get(scene.workflow.id).await.unwrap();
    let agent = store.agents().get(scene.agent.id).await.unwrap();
    (
        [
            workflow.total_executions,
            workflow.successful_executions,
            workflow.failed_executions,
            workflow.avg_execution_time_ms,
        ],
        workflow.last_execution_at,
        [agent.total_executions, agent.successful_executions, agent.failed_executions, agent.avg_execution_time_ms],
    )
}

/// Runs two executions to their ends: one completes after 100 ms, with a step of 40 ms; the other fails after 25 ms,
/// with a step that failed after 7 ms, one that was skipped and one that still runs.
async fn run_two(store: &dyn ContractStore, scene: &Scene) {
    let worker = scene.worker(store).await;
    let one = scene.running(store, worker).await;
    write(store, worker, &[scene.record(one.id, 0, 1)]).await;
    finish(
        store,
        worker,
        FinishedExecution {
            started_at: epoch(),
            completed_at: epoch() + TimeDelta::milliseconds(100),
            ..a_completion(&one)
        },
    )
    .await;
    let two = scene.running(store, worker).await;
    let error = StepError::permanent("refused", "it was refused");
    let failed = StepRecord {
        outcome: StepOutcome::Failed(error.clone()),
        ended_at: Some(epoch() + TimeDelta::milliseconds(7)),
        ..scene.record(two.id, 0, 1)
    };
    let skipped = StepRecord { outcome: StepOutcome::Skipped(SkipReason::Cancelled), ..scene.record(two.id, 1, 2) };
    let runs = StepRecord { outcome: StepOutcome::Running, ended_at: None, attempt: 2, ..scene.record(two.id, 0, 3) };
    write(store, worker, &[failed, skipped, runs]).await;
    finish(
        store,
        worker,
        FinishedExecution {
            status: ExecutionStatus::Failed,
            output: Value::Null,
            error: Some(error),
            started_at: epoch(),
            completed_at: epoch() + TimeDelta::milliseconds(25),
            ..a_completion(&two)
        },
    )
    .await;
}

/// The metrics equal the facts, and each fact is counted once: the second fold finds nothing.
pub async fn metrics_equal_the_facts_and_count_each_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    run_two(store, &scene).await;
    assert_eq!(metrics(store, &scene).await, ([0; 4], None, [0; 4]), "nothing is counted before the fold");

    assert_eq!(store.fold().await.unwrap(), 4);
    // (100 + 25) / 2 and (40 + 7) / 2, to the nearest.
    let expected = ([2, 1, 1, 63], Some(epoch() + TimeDelta::milliseconds(100)), [2, 1, 1, 24]);
    assert_eq!(metrics(store, &scene).await, expected);
    assert_eq!(store.fold().await.unwrap(), 0);
    assert_eq!(metrics(store, &scene).await, expected);

    run_two(store, &scene).await;
    store.fold().await.unwrap();
    let ([total, successful, failed, average], _, agent) = metrics(store, &scene).await;
    assert_eq!(([total, successful, failed, average], agent), ([4, 2, 2, 63], [4, 2, 2, 24]), "the sums are exact");
}

/// Whoever ended without completing counts as failed.
pub async fn what_did_not_complete_counts_as_failed(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    for status in [ExecutionStatus::Failed, ExecutionStatus::Timeout, ExecutionStatus::Cancelled] {
        let running = scene.running(store, worker).await;
        finish(store, worker, FinishedExecution { status, ..a_completion(&running) }).await;
    }
    store.fold().await.unwrap();
    let ([total, successful, failed, _], ..) = metrics(store, &scene).await;
    assert_eq!([total, successful, failed], [3, 0, 3]);
}

/// An attempt that was cancelled is no run of its agent: neither one that had not begun, nor one that ran, be it that
/// its start was recorded before, that it had failed before, or that the batch is sent again.
pub async fn a_cancelled_attempt_is_not_counted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let id = scene.running(store, worker).await.id;
    let cancelled = |step, attempt, seq| StepRecord {
        attempt,
        outcome: StepOutcome::Skipped(SkipReason::Cancelled),
        ..scene.record(id, step, seq)
    };
    let runs = |record| StepRecord { outcome: StepOutcome::Running, ended_at: None, ..record };
    let error = StepError::transient("http_status", "it answered 503");
    let failed = StepRecord { outcome: StepOutcome::Failed(error), ..scene.record(id, 0, 1) };

    write(store, worker, &[failed, runs(cancelled(0, 2, 2)), runs(cancelled(1, 1, 3))]).await;
    for _ in 0..2 {
        write(store, worker, &[cancelled(0, 2, 4), cancelled(1, 1, 5), cancelled(1, 2, 6)]).await;
    }
    assert_eq!(store.executions().step_records(id).await.unwrap().len(), 4);
    assert_eq!(store.fold().await.unwrap(), 1, "the failure alone is a fact");
    let (_, _, agent) = metrics(store, &scene).await;
    assert_eq!(agent, [1, 0, 1, 40]);
}

/// Folds that run at once count each fact once.
pub async fn folds_at_once_count_each_fact_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    for _ in 0..5 {
        run_two(store, &scene).await;
    }
    let (one, two, three) = tokio::join!(store.fold(), store.fold(), store.fold());
    let rest = store.fold().await.unwrap();
    assert_eq!(one.unwrap() + two.unwrap() + three.unwrap() + rest, 20);
    let ([total, ..], _, [runs, ..]) = metrics(store, &scene).await;
    assert_eq!((total, runs), (10, 10));
}

/// A save writes no metric and loses none, and a fold is no change that a save must know of.
pub async fn a_save_leaves_the_metrics_alone(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    run_two(store, &scene).await;
    store.fold().await.unwrap();
    let before = metrics(store, &scene).await;

    let now = epoch() + TimeDelta::hours(1);
    let mut uow = store.begin().await.unwrap();
    // Both were read before the fold: their metrics are old.
    uow.agents().save(&scene.agent, now).await.unwrap();
    uow.workflows().save(&scene.workflow, now).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(metrics(store, &scene).await, before);
}
