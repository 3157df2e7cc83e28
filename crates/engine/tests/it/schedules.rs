//! Schedules on virtual time: processes that die and pause, storage that fails, and no tick lost or doubled.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use turbocat_domain::{
    execution::{Execution, ExecutionStatus, TriggerType},
    id::WorkflowId,
    port::{ExecutionFilter, PageRequest},
    schedule::Verdict,
};
use turbocat_engine::{Engine, StopReason};
use turbocat_testkit::{
    contract::ContractStore,
    faulty::FaultRates,
    runner::{Answer, ScriptedRunner},
};

use crate::world::{World, chain, pass};

const MINUTE: u64 = 60_000;

fn scheduled(name: &str, schedule: Value) -> Value {
    let mut document = chain(name, 1);
    document["steps"][0]["timeout_ms"] = json!(5 * MINUTE);
    document["triggers"] = json!({ "schedule": schedule });
    document
}

/// All executions, oldest first, with the ticks that started them.
async fn started(world: &World, workflow: WorkflowId) -> Vec<(DateTime<Utc>, Execution)> {
    let filter = ExecutionFilter { workflow: Some(workflow), ..ExecutionFilter::default() };
    let mut page = PageRequest { limit: 200, after: None };
    let mut all = Vec::new();
    loop {
        let found = world.store.queries().executions().list(&filter, page).await.unwrap();
        for listed in found.items {
            let execution = world.get(listed.id).await;
            let tick = execution.trigger_data["scheduled_for"].as_str().unwrap().parse().unwrap();
            assert_eq!(execution.trigger_type, TriggerType::Scheduled);
            all.push((tick, execution));
        }
        page.after = found.next;
        if page.after.is_none() {
            all.sort_by_key(|(tick, _)| *tick);
            return all;
        }
    }
}

/// Every minute between the first and the last tick has started one execution.
fn assert_each_once(started: &[(DateTime<Utc>, Execution)]) {
    let mut counts: BTreeMap<DateTime<Utc>, u32> = BTreeMap::new();
    for (tick, _) in started {
        *counts.entry(*tick).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "doubled: {counts:?}");
    let ticks: Vec<_> = counts.keys().collect();
    assert!(ticks.windows(2).all(|pair| *pair[1] - *pair[0] == TimeDelta::minutes(1)), "lost: {ticks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_starts_an_execution_each_minute_in_time() {
    let mut world = World::new().await;
    let workflow = world.workflow(scheduled("minutely", json!({ "cron": "* * * * *" }))).await;
    let engine = world.engine(ScriptedRunner::new()).await;

    pass(10 * MINUTE + 30_000).await;

    let started = started(&world, workflow).await;
    assert_eq!(started.len(), 10);
    assert_each_once(&started);
    for (tick, execution) in &started {
        assert_eq!(execution.status, ExecutionStatus::Completed);
        let late = execution.created_at - *tick;
        assert!(late >= TimeDelta::zero() && late < TimeDelta::milliseconds(500), "{late}");
        assert_eq!(execution.started_at, Some(execution.created_at), "it was born owned");
    }
    assert_eq!(engine.drain(Duration::from_secs(1)).await, StopReason::Drained);
}

#[tokio::test(start_paused = true)]
async fn processes_that_die_and_come_lose_and_double_no_tick() {
    let mut world = World::new().await;
    let schedule = json!({ "cron": "* * * * *", "overlap": "allow", "catchup": "all" });
    let workflow = world.workflow(scheduled("deaths", schedule)).await;
    let mut engines: Vec<Engine> = Vec::new();
    for _ in 0..3 {
        engines.push(world.engine(ScriptedRunner::new()).await);
    }
    let mut deaths = 0;
    for round in 0..60 {
        // Around the tick, each time a little later.
        pass(MINUTE - 20 + round % 5 * 8).await;
        drop(engines.remove(0));
        deaths += 1;
        engines.push(world.engine(ScriptedRunner::new()).await);
    }
    pass(2 * MINUTE).await;

    let started = started(&world, workflow).await;
    assert!(started.len() >= 60, "{}", started.len());
    assert_each_once(&started);
    for (_, execution) in &started {
        world.completed(execution.id).await;
    }
    println!("{deaths} processes died, {} ticks were fired", started.len());
}

#[tokio::test(start_paused = true)]
async fn storage_that_often_fails_loses_and_doubles_no_tick() {
    let mut world = World::new().await;
    let schedule = json!({ "cron": "* * * * *", "overlap": "allow", "catchup": "all" });
    let workflow = world.workflow(scheduled("faults", schedule)).await;
    let _engines = [world.engine(ScriptedRunner::new()).await, world.engine(ScriptedRunner::new()).await];
    world.store.faults.set_rates(FaultRates { before_per_mille: 150, after_per_mille: 300 });
    pass(120 * MINUTE).await;
    world.store.faults.set_rates(FaultRates::default());
    pass(2 * MINUTE).await;

    let started = started(&world, workflow).await;
    assert!(started.len() >= 120, "{}", started.len());
    assert_each_once(&started);
    for (_, execution) in &started {
        world.completed(execution.id).await;
    }
    let count = world.store.faults.count("schedule.fire");
    println!("{count:?} of {} ticks", started.len());
    assert!(count.failed_before > 10 && count.failed_after > 20, "{count:?}");
}

#[tokio::test(start_paused = true)]
async fn what_an_outage_misses_is_caught_up_with_as_the_rule_says() {
    let mut world = World::new().await;
    let of = |catchup| json!({ "cron": "* * * * *", "overlap": "allow", "catchup": catchup, "catchup_window_s": 600 });
    let mut workflows = Vec::new();
    for catchup in ["none", "last", "all"] {
        workflows.push(world.workflow(scheduled(catchup, of(catchup))).await);
    }
    let _engine = world.engine(ScriptedRunner::new()).await;
    pass(MINUTE + 30_000).await;
    world.store.is_down.store(true, Ordering::SeqCst);
    pass(30 * MINUTE).await;
    world.store.is_down.store(false, Ordering::SeqCst);
    pass(25_000).await;

    let counts =
        [started(&world, workflows[0]).await, started(&world, workflows[1]).await, started(&world, workflows[2]).await];
    // One before the outage. After it: none or one in its grace, the last, and those of ten minutes.
    let [none, last, all] = counts.map(|started| started.len() - 1);
    assert!(none <= 1 && last == 1 && (10..=11).contains(&all), "{none} {last} {all}");
    let missed = world.store.memory.ticks(workflows[1]).await;
    assert!(missed.iter().filter(|(_, verdict, _)| *verdict == Verdict::Missed).count() >= 9, "{missed:?}");
}

#[tokio::test(start_paused = true)]
async fn executions_of_one_schedule_overlap_only_where_they_may() {
    let mut world = World::new().await;
    let of = |overlap| json!({ "cron": "* * * * *", "overlap": overlap });
    let mut workflows = Vec::new();
    for overlap in ["skip", "queue", "allow"] {
        workflows.push(world.workflow(scheduled(overlap, of(overlap))).await);
    }
    // Each takes a minute and a half.
    let slow =
        || ScriptedRunner::new().path("s0", |_| Answer::After(Duration::from_millis(MINUTE * 3 / 2), Ok(Value::Null)));
    let _engines = [world.engine(slow()).await, world.engine(slow()).await];
    pass(12 * MINUTE + 30_000).await;

    for (workflow, overlaps) in workflows.iter().zip([false, false, true]) {
        let started = started(&world, *workflow).await;
        let pairs = started.windows(2).map(|pair| (&pair[0].1, &pair[1].1));
        let overlapping = pairs.filter(|(one, next)| one.completed_at.is_none_or(|end| end > next.created_at)).count();
        assert_eq!(overlapping > 0, overlaps, "{workflow} {overlapping}");
    }
    let [skip, queue, allow] = [workflows[0], workflows[1], workflows[2]];
    assert_eq!(started(&world, skip).await.len(), 6, "every second");
    assert_eq!(started(&world, allow).await.len(), 12);
    let queued = started(&world, queue).await;
    assert_eq!(queued.len(), 8, "one after another");
    for pair in queued.windows(2) {
        let pause = pair[1].1.created_at - pair[0].1.completed_at.unwrap();
        assert!(pause < TimeDelta::milliseconds(500), "what waits starts when the one before has ended: {pause}");
    }
    let skipped = world.store.memory.ticks(skip).await;
    assert_eq!(skipped.iter().filter(|(_, verdict, _)| *verdict == Verdict::Overlapped).count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_fired_by_all_and_no_process_takes_more_than_it_holds() {
    const COUNT: usize = 1_200;
    let mut world = World::new().await;
    let mut workflows = Vec::new();
    for n in 0..COUNT {
        workflows.push(world.workflow(scheduled(&format!("w{n}"), json!({ "cron": "0 * * * *" }))).await);
    }
    let _engines = [world.engine(ScriptedRunner::new()).await, world.engine(ScriptedRunner::new()).await];
    pass(60 * MINUTE + 30_000).await;

    for workflow in workflows {
        let started = started(&world, workflow).await;
        assert_eq!(started.len(), 1);
        assert_eq!(started[0].1.status, ExecutionStatus::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_far_ahead_costs_an_idle_process_nothing() {
    let mut world = World::new().await;
    world.workflow(scheduled("rare", json!({ "cron": "0 0 1 1 *" }))).await;
    let _engine = world.engine(ScriptedRunner::new()).await;
    pass(MINUTE).await;
    let before = world.store.calls(Some("schedule.due"));
    pass(60 * MINUTE).await;

    assert_eq!(world.store.calls(Some("schedule.due")), before);
}
