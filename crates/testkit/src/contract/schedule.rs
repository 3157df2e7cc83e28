//! The rules of schedules: a tick starts one execution, whoever fires it, whatever is published meanwhile.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde_json::json;
use turbocat_domain::{
    execution::{Execution, ExecutionStatus, TriggerType},
    id::{ExecutionId, WorkerId, WorkflowId},
    port::{DueRequest, DueSchedule, FireOutcome, Fired, FiredTick, Firing, IdGenerator, ScheduledExecution},
    schedule::{ScheduleState, Verdict},
    workflow::{Workflow, WorkflowStatus},
};

use super::{
    ContractStore, Scene,
    scene::{claim, finish},
};
use crate::builder::{a_completion, a_workflow};

/// All schedules.
const ALL: DueRequest = DueRequest { limit: 1_000, slice: (1, 0) };

/// A workflow that is to be started every minute.
fn a_scheduled(scene: &Scene, overlap: &str) -> Workflow {
    let (workflow, _) = a_workflow(&scene.ids, &scene.agent, &["fetch"]);
    with_schedule(workflow, json!({ "cron": "* * * * *", "overlap": overlap }))
}

fn with_schedule(mut workflow: Workflow, schedule: serde_json::Value) -> Workflow {
    workflow.schedule_cron = schedule["cron"].as_str().map(|cron| cron.parse().unwrap());
    workflow.definition["triggers"] = json!({ "schedule": schedule });
    Workflow { schedule_enabled: true, ..workflow }
}

async fn publish(store: &dyn ContractStore, workflow: &Workflow) {
    let mut uow = store.begin().await.unwrap();
    uow.workflows().insert(workflow, &[]).await.unwrap();
    uow.commit().await.unwrap();
}

/// Publishes the version that follows, as publishing does: in one transaction.
async fn publish_next(
    scene: &Scene,
    store: &dyn ContractStore,
    old: &Workflow,
    schedule: serde_json::Value,
) -> Workflow {
    let next = old.next_version(WorkflowId::from_uuid(scene.ids.next()), old.created_at);
    let next = with_schedule(Workflow { status: WorkflowStatus::Active, ..next }, schedule);
    let mut uow = store.begin().await.unwrap();
    let retired = Workflow { status: WorkflowStatus::Inactive, ..old.clone() };
    uow.workflows().save(&retired, old.updated_at + TimeDelta::seconds(1)).await.unwrap();
    uow.workflows().insert(&next, &[]).await.unwrap();
    uow.commit().await.unwrap();
    next
}

async fn due(store: &dyn ContractStore) -> Vec<DueSchedule> {
    store.due(ALL).await.unwrap().schedules
}

/// The one schedule that is due.
async fn only(store: &dyn ContractStore) -> DueSchedule {
    let mut due = due(store).await;
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

/// The last whole minute of the store's time.
async fn this_minute(store: &dyn ContractStore) -> DateTime<Utc> {
    store.due(ALL).await.unwrap().now.duration_trunc(TimeDelta::minutes(1)).unwrap()
}

/// What is to be done about a schedule now, by its rules.
async fn decided(scene: &Scene, store: &dyn ContractStore, due: &DueSchedule, is_owned: bool) -> Firing {
    let now = store.due(ALL).await.unwrap().now;
    let schedule = &due.workflow.schedule;
    let decision = schedule.decide(due.workflow_id, (due.state, due.is_busy), now);
    let ticks = decision.ticks.into_iter().map(|tick| {
        let execution = ScheduledExecution {
            id: ExecutionId::from_uuid(scene.ids.next()),
            trigger_data: schedule.trigger_data(tick.at),
            is_owned,
        };
        let execution = Some(execution).filter(|_| tick.verdict == Verdict::Started);
        FiredTick { scheduled_for: tick.at, verdict: tick.verdict, execution }
    });
    Firing {
        workflow_id: due.workflow_id,
        before: due.state,
        ticks: ticks.collect(),
        jitter_ms: decision.state.next_at.map_or(0, |tick| schedule.jitter_ms(due.workflow_id, tick)),
        after: decision.state,
    }
}

async fn fire(store: &dyn ContractStore, worker: WorkerId, firings: &[Firing]) -> Fired {
    store.fire(worker, firings).await.unwrap().fired().expect("the worker is alive")
}

/// Fires what is due; one schedule must be.
async fn fire_due(scene: &Scene, store: &dyn ContractStore, worker: WorkerId) -> Fired {
    let due = only(store).await;
    let firing = decided(scene, store, &due, false).await;
    fire(store, worker, &[firing]).await
}

async fn executions(store: &dyn ContractStore) -> Vec<Execution> {
    let page = turbocat_domain::port::PageRequest { limit: 200, after: None };
    store.executions().list(&turbocat_domain::port::ExecutionFilter::default(), page).await.unwrap().items
}

/// A workflow with a schedule is due at its next tick, and not before; the time of that is told.
pub async fn a_schedule_is_due_at_its_tick(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let workflow = a_scheduled(&scene, "skip");
    publish(store, &workflow).await;
    let looked = store.due(ALL).await.unwrap();
    let ahead = looked.next_at.unwrap_or(looked.now);
    assert!(ahead <= looked.now + TimeDelta::minutes(1), "{looked:?}");

    let tick = this_minute(store).await;
    store.set_next_tick(workflow.id, tick).await;
    let due = only(store).await;

    assert_eq!((due.workflow_id, due.user_id), (workflow.id, scene.user.id));
    assert_eq!(due.state, ScheduleState { next_at: Some(tick), queued_for: None });
    assert_eq!((due.workflow.steps_total, due.workflow.timeout_ms, due.is_busy), (1, 3_600_000, false));
    assert_eq!(store.next_due().await.unwrap().schedule, Some(tick));
}

/// A tick starts an execution that says what started it, is recorded, and the schedule moves on.
pub async fn a_tick_starts_an_execution(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let workflow = a_scheduled(&scene, "skip");
    publish(store, &workflow).await;
    let tick = this_minute(store).await;
    for (is_owned, status) in [(true, ExecutionStatus::Running), (false, ExecutionStatus::Pending)] {
        let tick = if is_owned { tick - TimeDelta::minutes(1) } else { tick };
        store.set_next_tick(workflow.id, tick).await;
        let due = only(store).await;
        let mut firing = decided(&scene, store, &due, is_owned).await;
        let started = ScheduledExecution {
            id: ExecutionId::from_uuid(scene.ids.next()),
            trigger_data: due.workflow.schedule.trigger_data(tick),
            is_owned,
        };
        firing.ticks = vec![FiredTick { scheduled_for: tick, verdict: Verdict::Started, execution: Some(started) }];

        let fired = fire(store, worker, &[firing]).await;

        assert_eq!((fired.schedules, fired.executions.len()), (1, 1));
        let execution = store.executions().get(fired.executions[0]).await.unwrap();
        assert_eq!((execution.workflow_id, execution.user_id), (workflow.id, scene.user.id));
        assert_eq!((execution.trigger_type, execution.status), (TriggerType::Scheduled, status));
        assert_eq!((&execution.input_data, execution.steps_total), (&json!({}), 1));
        let scheduled_for: DateTime<Utc> = execution.trigger_data["scheduled_for"].as_str().unwrap().parse().unwrap();
        assert_eq!(scheduled_for, tick);
        assert_eq!(execution.started_at.is_some(), is_owned);
        assert_eq!(execution.deadline_at, Some(fired.at + TimeDelta::hours(1)));
        assert!(store.ticks(workflow.id).await.contains(&(tick, Verdict::Started, Some(execution.id))));
    }
    assert_eq!(claim(store, worker).await.len(), 1, "what nobody owned is claimable");
}

/// Of two who fire the same tick, one does; so does one who does not know whether it did.
pub async fn a_tick_is_fired_once_whoever_does_and_however_often(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (one, other) = (scene.worker(store).await, scene.worker(store).await);
    let workflow = a_scheduled(&scene, "allow");
    publish(store, &workflow).await;
    store.set_next_tick(workflow.id, this_minute(store).await).await;
    let due = only(store).await;
    let firings = [decided(&scene, store, &due, true).await, decided(&scene, store, &due, true).await];

    let (first, second) = tokio::join!(store.fire(one, &firings[..1]), store.fire(other, &firings[1..]));
    let again = fire(store, one, &firings[..1]).await;

    let of = |outcome: FireOutcome| outcome.fired().expect("both are alive").executions.len();
    assert_eq!(of(first.unwrap()) + of(second.unwrap()), 1);
    assert_eq!((again.schedules, again.executions.len()), (0, 0));
    assert_eq!(executions(store).await.len(), 1);
}

/// A tick that is recorded starts nothing again, also if the schedule is set back.
pub async fn a_recorded_tick_starts_nothing_again(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let workflow = a_scheduled(&scene, "allow");
    publish(store, &workflow).await;
    let tick = this_minute(store).await;
    store.set_next_tick(workflow.id, tick).await;
    assert_eq!(fire_due(&scene, store, worker).await.executions.len(), 1);

    store.set_next_tick(workflow.id, tick).await;
    let fired = fire_due(&scene, store, worker).await;

    let of_tick = store.ticks(workflow.id).await.iter().filter(|(at, ..)| *at == tick).count();
    assert_eq!((fired.schedules, of_tick), (1, 1));
    // Should the minute have passed meanwhile, the next tick has started one too.
    let started = store.ticks(workflow.id).await.iter().filter(|(_, verdict, _)| *verdict == Verdict::Started).count();
    assert_eq!(executions(store).await.len(), started);
}

/// A worker that is marked dead fires nothing.
pub async fn a_dead_worker_fires_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let workflow = a_scheduled(&scene, "skip");
    publish(store, &workflow).await;
    store.set_next_tick(workflow.id, this_minute(store).await).await;
    let due = only(store).await;
    let firing = decided(&scene, store, &due, true).await;
    store.release(worker).await.unwrap();

    assert_eq!(store.fire(worker, &[firing]).await.unwrap(), FireOutcome::Fenced);

    assert_eq!(only(store).await.state, due.state);
    assert!(executions(store).await.is_empty());
}

/// While the execution before runs, a schedule says so; a tick that waits for it is due when it has ended.
pub async fn a_tick_that_waits_is_due_when_the_execution_before_has_ended(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let workflow = a_scheduled(&scene, "queue");
    publish(store, &workflow).await;
    let tick = this_minute(store).await;
    store.set_next_tick(workflow.id, tick - TimeDelta::minutes(2)).await;
    fire_due(&scene, store, worker).await;
    let running = claim(store, worker).await.remove(0);

    // The schedule is set to a tick that no rule knows, so that it cannot be recorded already.
    let second = tick - TimeDelta::seconds(1);
    store.set_next_tick(workflow.id, second).await;
    let busy = only(store).await;
    assert!(busy.is_busy);
    let later = tick + TimeDelta::days(1);
    let waiting = ScheduleState { next_at: Some(later), queued_for: Some(second) };
    let firing =
        Firing { workflow_id: workflow.id, before: busy.state, after: waiting, jitter_ms: 0, ticks: Vec::new() };
    assert_eq!(fire(store, worker, &[firing]).await.schedules, 1);
    assert_eq!(due(store).await, []);
    assert_eq!(store.next_due().await.unwrap().schedule, Some(later));

    finish(store, worker, a_completion(&running)).await;

    let released = only(store).await;
    assert_eq!((released.state, released.is_busy), (waiting, false));
    let fired = fire_due(&scene, store, worker).await;
    assert_eq!(fired.executions.len(), 1);
    assert!(store.ticks(workflow.id).await.contains(&(second, Verdict::Started, Some(fired.executions[0]))));
    assert_eq!(due(store).await, []);
}

/// A tick that begins to wait for an execution that has ended meanwhile is due at once.
pub async fn a_tick_that_begins_to_wait_too_late_is_due_at_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let workflow = a_scheduled(&scene, "queue");
    publish(store, &workflow).await;
    let tick = this_minute(store).await;
    store.set_next_tick(workflow.id, tick - TimeDelta::minutes(2)).await;
    fire_due(&scene, store, worker).await;
    let running = claim(store, worker).await.remove(0);
    let second = tick - TimeDelta::seconds(1);
    store.set_next_tick(workflow.id, second).await;
    let busy = only(store).await;

    finish(store, worker, a_completion(&running)).await;
    let waiting = ScheduleState { next_at: Some(tick + TimeDelta::days(1)), queued_for: Some(second) };
    let firing =
        Firing { workflow_id: workflow.id, before: busy.state, after: waiting, jitter_ms: 0, ticks: Vec::new() };
    fire(store, worker, &[firing]).await;

    assert_eq!(only(store).await.state, waiting);
}

/// A version that follows goes on where the one before stood, with what waits and what is recorded.
pub async fn a_new_version_takes_the_schedule_over(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let first = a_scheduled(&scene, "allow");
    publish(store, &first).await;
    let tick = this_minute(store).await;
    store.set_next_tick(first.id, tick - TimeDelta::minutes(1)).await;
    fire_due(&scene, store, worker).await;
    let handled = store.ticks(first.id).await;
    store.set_next_tick(first.id, tick).await;
    let old = only(store).await;

    // Its times are others; the tick that was due is not lost all the same.
    let next = publish_next(&scene, store, &first, json!({ "cron": "0 0 * * *" })).await;

    let taken = only(store).await;
    assert_eq!((taken.workflow_id, taken.state.next_at), (next.id, Some(tick)));
    assert_eq!(store.ticks(next.id).await, handled);
    let firing = decided(&scene, store, &old, false).await;
    let late = fire(store, worker, &[firing]).await;
    assert_eq!((late.schedules, late.executions.len()), (0, 0), "the old version fires no more");
    fire_due(&scene, store, worker).await;
    assert_eq!(due(store).await, []);
}

/// A workflow that is deactivated or deleted is due no more; one that comes back begins anew.
pub async fn a_schedule_ends_with_its_workflow(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let (deleted, retired) = (a_scheduled(&scene, "skip"), a_scheduled(&scene, "skip"));
    for workflow in [&deleted, &retired] {
        publish(store, workflow).await;
    }
    let past = this_minute(store).await - TimeDelta::minutes(3);
    for workflow in [&deleted, &retired] {
        store.set_next_tick(workflow.id, past).await;
    }
    let looked = due(store).await;
    assert_eq!(looked.len(), 2);
    let later = retired.updated_at + TimeDelta::seconds(1);
    let mut uow = store.begin().await.unwrap();
    uow.workflows().delete(deleted.id, later).await.unwrap();
    let inactive = Workflow { status: WorkflowStatus::Inactive, ..retired.clone() };
    uow.workflows().save(&inactive, later).await.unwrap();
    uow.commit().await.unwrap();

    assert_eq!(due(store).await, []);
    assert_eq!(store.next_due().await.unwrap().schedule, None);
    for due in looked {
        let firing = decided(&scene, store, &due, false).await;
        assert_eq!(fire(store, worker, &[firing]).await.schedules, 0);
    }
    assert!(executions(store).await.is_empty());

    store.tick().await;
    let mut uow = store.begin().await.unwrap();
    uow.workflows().restore(deleted.id, later).await.unwrap();
    uow.commit().await.unwrap();
    let next = store.next_due().await.unwrap().schedule.unwrap();
    assert!(next > past + TimeDelta::minutes(2), "what was missed meanwhile is not caught up with: {next}");
}

/// A save that changes nothing about the schedule leaves it where it stands; switching it off ends it.
pub async fn a_save_leaves_a_schedule_where_it_stands(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let workflow = a_scheduled(&scene, "skip");
    publish(store, &workflow).await;
    let tick = this_minute(store).await - TimeDelta::minutes(5);
    store.set_next_tick(workflow.id, tick).await;

    let later = workflow.updated_at + TimeDelta::seconds(1);
    let mut uow = store.begin().await.unwrap();
    let saved = Workflow { is_public: true, ..workflow.clone() };
    uow.workflows().save(&saved, later).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(only(store).await.state.next_at, Some(tick));

    let mut uow = store.begin().await.unwrap();
    let off = Workflow { schedule_enabled: false, updated_at: later, ..saved };
    uow.workflows().save(&off, later + TimeDelta::seconds(1)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(due(store).await, []);
}

/// The longest due come first, no more than wanted; slices share all among them.
pub async fn schedules_are_due_in_their_order_and_in_slices(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let mut workflows = Vec::new();
    for _ in 0..20 {
        let workflow = a_scheduled(&scene, "skip");
        publish(store, &workflow).await;
        workflows.push(workflow.id);
    }
    let now = this_minute(store).await;
    for (age, id) in (1..).zip(&workflows) {
        store.set_next_tick(*id, now - TimeDelta::minutes(age)).await;
    }
    let ids = |due: Vec<DueSchedule>| due.into_iter().map(|due| due.workflow_id).collect::<Vec<_>>();

    let limited = store.due(DueRequest { limit: 3, slice: (1, 0) }).await.unwrap().schedules;
    assert_eq!(ids(limited), workflows.iter().rev().take(3).copied().collect::<Vec<_>>());
    let mut of_slices = Vec::new();
    for slice in 0..4 {
        of_slices.extend(ids(store.due(DueRequest { limit: 100, slice: (4, slice) }).await.unwrap().schedules));
    }
    of_slices.sort();
    workflows.sort();
    assert_eq!(of_slices, workflows);
}
