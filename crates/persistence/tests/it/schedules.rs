//! Schedules on `PostgreSQL`: many who fire at once, and ends that meet ticks which begin to wait.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet};
use turbocat_domain::{
    execution::TriggerType,
    id::{ExecutionId, WorkerId},
    port::{
        ClaimedExecution, CommitOutcome, DueRequest, DueSchedule, FireOutcome, FiredTick, Firing, IdGenerator, Journal,
        JournalBatch, ScheduleRepository, ScheduledExecution, Store, WorkerRepository,
    },
    schedule::{ScheduleState, Tick, Verdict},
    workflow::Workflow,
};
use turbocat_persistence::PgStore;
use turbocat_testkit::{
    builder::{a_completion, a_worker, a_workflow},
    contract::{ContractStore, Scene},
    ids::SequentialIds,
};

use crate::fixture::Fixture;

const ALL: DueRequest = DueRequest { limit: 1_000, slice: (1, 0) };

/// A workflow that is started every minute; a tick waits for the execution of the one before.
fn scheduled(scene: &Scene) -> Workflow {
    let (mut workflow, _) = a_workflow(&scene.ids, &scene.agent, &["fetch"]);
    let triggers = json!({ "schedule": { "cron": "* * * * *", "overlap": "queue" } });
    workflow.definition.as_object_mut().unwrap().insert("triggers".to_owned(), triggers);
    Workflow { schedule_enabled: true, ..workflow }
}

async fn publish(fixture: &Fixture, workflow: &Workflow) {
    let mut uow = fixture.begin().await.unwrap();
    uow.workflows().insert(workflow, &[]).await.unwrap();
    uow.commit().await.unwrap();
}

fn firing(ids: &SequentialIds, due: &DueSchedule, now: DateTime<Utc>) -> Firing {
    let schedule = &due.workflow.schedule;
    let decision = schedule.decide(due.workflow_id, (due.state, due.is_busy), now);
    let tick = |tick: Tick| FiredTick {
        scheduled_for: tick.at,
        verdict: tick.verdict,
        execution: (tick.verdict == Verdict::Started).then(|| ScheduledExecution {
            id: ExecutionId::from_uuid(ids.next()),
            trigger_data: schedule.trigger_data(tick.at),
            is_owned: false,
        }),
    };
    Firing {
        workflow_id: due.workflow_id,
        before: due.state,
        after: decision.state,
        jitter_ms: 0,
        ticks: decision.ticks.into_iter().map(tick).collect(),
    }
}

/// Fires until nothing is due; returns how many schedules were moved on, and how many were found moved already.
async fn fire_all(store: &PgStore, worker: WorkerId, ids: &SequentialIds) -> (u64, u64) {
    let (mut moved, mut late) = (0, 0);
    loop {
        let due = store.due(DueRequest { limit: 300, slice: (1, 0) }).await.unwrap();
        if due.schedules.is_empty() {
            return (moved, late);
        }
        let firings: Vec<_> = due.schedules.iter().map(|one| firing(ids, one, due.now)).collect();
        let fired = store.fire(worker, &firings).await.unwrap().fired().expect("it is alive");
        moved += fired.schedules;
        late += firings.len() as u64 - fired.schedules;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_fire_two_thousand_schedules_once_each() {
    const COUNT: i64 = 2_000;
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let workflow = scheduled(&scene);
    publish(&fixture, &workflow).await;
    fixture
        .execute(&format!(
            "INSERT INTO workflows (name, user_id, status)
             SELECT 'w' || n, '{}', 'active' FROM generate_series(2, {COUNT}) AS n",
            scene.user.id.as_uuid()
        ))
        .await;
    fixture
        .execute(
            "INSERT INTO schedules (workflow_id, user_id, name, config, steps_total, timeout_ms)
             SELECT workflows.id, workflows.user_id, workflows.name, schedules.config, 1, 1000
             FROM workflows, schedules WHERE workflows.name LIKE 'w%' AND workflows.definition = '{}'",
        )
        .await;
    fixture.execute("UPDATE schedules SET next_at = date_trunc('minute', LOCALTIMESTAMP)").await;

    let barrier = Arc::new(Barrier::new(4));
    let mut processes = JoinSet::new();
    for n in 0..4 {
        let (store, barrier) = (fixture.another_process().await, Arc::clone(&barrier));
        let ids = SequentialIds::new(100 + n);
        let worker = a_worker(&ids);
        store.register(&worker).await.unwrap();
        processes.spawn(async move {
            barrier.wait().await;
            fire_all(&store, worker.id, &ids).await
        });
    }
    let all = processes.join_all().await;

    let (moved, late) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("{moved} schedules moved on; {late} times a process came too late: {all:?}");
    assert!(late > 0, "they met");
    // Should a minute have passed meanwhile, its ticks wait.
    assert_eq!(fixture.number("SELECT count(*) FROM executions WHERE trigger_type = 'scheduled'").await, COUNT);
    assert_eq!(fixture.number("SELECT count(DISTINCT workflow_id) FROM executions").await, COUNT);
    assert_eq!(fixture.number("SELECT count(*) FROM schedule_ticks WHERE verdict = 'started'").await, COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_meets_a_tick_which_begins_to_wait_releases_it() {
    const ROUNDS: usize = 60;
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let workflow = scheduled(&scene);
    publish(&fixture, &workflow).await;
    let (ender, mut seen) = (fixture.another_process().await, BTreeSet::new());
    for round in 0..ROUNDS {
        let now = fixture.due(ALL).await.unwrap().now.duration_trunc(TimeDelta::minutes(1)).unwrap();
        // Ticks of their own, which no rule knows.
        let tick = now - TimeDelta::milliseconds(i64::try_from(round + 1).unwrap() * 10);
        fixture.set_next_tick(workflow.id, tick).await;
        let due = fixture.due(ALL).await.unwrap().schedules.remove(0);
        let id = ExecutionId::from_uuid(scene.ids.next());
        let execution = ScheduledExecution { id, trigger_data: json!({}), is_owned: true };
        let started = FiredTick { scheduled_for: tick, verdict: Verdict::Started, execution: Some(execution) };
        let idle = ScheduleState { next_at: Some(tick + TimeDelta::milliseconds(1)), queued_for: None };
        let start =
            Firing { workflow_id: workflow.id, before: due.state, after: idle, jitter_ms: 0, ticks: vec![started] };
        fixture.fire(worker, &[start]).await.unwrap();

        let waiting = ScheduleState { next_at: Some(now + TimeDelta::days(1)), queued_for: idle.next_at };
        let wait = Firing { workflow_id: workflow.id, before: idle, after: waiting, jitter_ms: 0, ticks: Vec::new() };
        let finished = a_completion(&claimed_like(id, &workflow));
        let batch = JournalBatch { finished: vec![finished], ..JournalBatch::default() };
        let (fired, committed) =
            tokio::join!(fixture.fire(worker, std::slice::from_ref(&wait)), ender.commit(worker, &batch));

        assert_eq!(committed.unwrap(), CommitOutcome::Committed);
        assert!(matches!(fired.unwrap(), FireOutcome::Fired(fired) if fired.schedules == 1));
        let released = fixture.due(ALL).await.unwrap().schedules;
        assert_eq!(released.len(), 1, "round {round}: the tick waits for ever");
        assert_eq!((released[0].state, released[0].is_busy), (waiting, false));
        seen.insert(id);
    }
    assert_eq!(seen.len(), ROUNDS);
}

/// An execution as whoever owns it knows it.
fn claimed_like(id: ExecutionId, workflow: &Workflow) -> ClaimedExecution {
    ClaimedExecution {
        id,
        workflow_id: workflow.id,
        user_id: workflow.user_id,
        trigger_type: TriggerType::Scheduled,
        trigger_data: json!({}),
        input: json!({}),
        started_at: workflow.created_at,
        deadline_at: workflow.created_at,
        cancel_requested: false,
        is_paused: false,
        takeovers: 0,
        depth: 0,
        parent: None,
        records: Vec::new(),
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_ends_and_the_others_are_due() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let (broken, sound) = (scheduled(&scene), scheduled(&scene));
    for workflow in [&broken, &sound] {
        publish(&fixture, workflow).await;
        let now = fixture.due(ALL).await.unwrap().now;
        fixture.set_next_tick(workflow.id, now - TimeDelta::seconds(1)).await;
    }
    let id = broken.id.as_uuid();
    fixture
        .execute(&format!(r#"UPDATE schedules SET config = '{{"cron": "nonsense"}}' WHERE workflow_id = '{id}'"#))
        .await;

    for _ in 0..2 {
        let due = fixture.due(ALL).await.unwrap().schedules;
        assert_eq!(due.iter().map(|due| due.workflow_id).collect::<Vec<_>>(), [sound.id]);
    }
    assert_eq!(fixture.number("SELECT count(*) FROM schedules WHERE ended_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn old_ticks_go_when_their_schedule_fires() {
    let fixture = Fixture::new().await;
    let scene = Scene::set(&fixture).await;
    let worker = scene.worker(&fixture).await;
    let workflow = scheduled(&scene);
    publish(&fixture, &workflow).await;
    let id = workflow.id.as_uuid();
    fixture
        .execute(&format!(
            "INSERT INTO schedule_ticks SELECT '{id}', LOCALTIMESTAMP - n * INTERVAL '1 day', 'missed', NULL, LOCALTIMESTAMP
             FROM generate_series(1, 20) AS n"
        ))
        .await;
    let now = fixture.due(ALL).await.unwrap().now;
    fixture.set_next_tick(workflow.id, now - TimeDelta::seconds(1)).await;
    let due = fixture.due(ALL).await.unwrap();
    let firing = firing(&scene.ids, &due.schedules[0], due.now);

    fixture.fire(worker, &[firing]).await.unwrap();

    assert_eq!(fixture.number("SELECT count(*) FROM schedule_ticks WHERE verdict = 'missed'").await, 6);
}
