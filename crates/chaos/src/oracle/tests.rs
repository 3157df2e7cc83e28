//! A run that is right breaks no rule; each mistake that is made in it breaks the rule that is about it.

use chrono::TimeDelta;
use serde_json::json;

use super::{
    snapshot::{MetricRow, StepRow},
    *,
};
use crate::{
    evidence::{Entry, Sent},
    program::{
        random::Random,
        tests::driver::{self, WORKER},
    },
    report::{Report, Setting},
};

/// A run without any fault or mistake.
struct World {
    program: Program,
    evidence: Evidence,
    snapshot: Snapshot,
}

impl World {
    fn new(seed: u64) -> Self {
        let program = Program::generate(seed);
        let plans = driver::plans(&program);
        let (mut evidence, mut snapshot, mut log) = (Evidence::default(), Snapshot::default(), driver::Log::default());
        for n in 0..60 {
            let order = program.order(n);
            driver::run(&plans, &order, &mut Random::of(seed, n), &mut log);
            let events_answered = vec![true; order.events.len()];
            evidence.sent.push(Sent { order, is_accepted: true, is_cancel_answered: true, events_answered });
        }
        evidence.entries = log.entries;
        evidence.entries.push(Entry::StaleCommit { worker: Uuid::from_u128(1), is_accepted: false });
        evidence.takeovers_after_kill_ms = vec![900];
        evidence.takeovers_after_pause_ms = vec![11_000];
        evidence.healed_ms = Some(4_000);
        for ended in log.ended {
            let id = ended.row.id;
            let row = MetricRow { id: ended.row.workflow_id, name: ended.workflow, ..MetricRow::default() };
            snapshot.workflows.insert(row.id, row);
            snapshot.step_logs.insert(id, ended.steps.len().try_into().unwrap());
            snapshot.steps.insert(id, ended.steps);
            assert!(snapshot.executions.insert(id, ended.row).is_none(), "each execution has an id of its own");
        }
        snapshot.workers.insert(WORKER, false);
        let mut world = Self { program, evidence, snapshot };
        world.fold();
        world
    }

    /// Sets the metrics to what they have to be.
    fn fold(&mut self) {
        for metric in self.snapshot.workflows.values_mut() {
            let own: Vec<_> = self.snapshot.executions.values().filter(|row| row.workflow_id == metric.id).collect();
            let times: Vec<f64> = own.iter().map(|row| f64::from(row.duration_ms.unwrap())).collect();
            set(metric, own.iter().filter(|row| row.status == "completed").count(), &times);
        }
        let steps: Vec<&StepRow> = self.snapshot.steps.values().flatten().filter(|step| step.has_run()).collect();
        for id in steps.iter().filter_map(|step| step.agent_id).collect::<BTreeSet<_>>() {
            let own: Vec<_> = steps.iter().filter(|step| step.agent_id == Some(id)).collect();
            let took = |step: &&&StepRow| (step.ended_at.unwrap() - step.started_at).num_milliseconds();
            let times: Vec<f64> = own.iter().map(|step| f64::from(i32::try_from(took(step)).unwrap())).collect();
            let mut metric = MetricRow { id, name: id.to_string(), ..MetricRow::default() };
            set(&mut metric, own.iter().filter(|step| step.status == "completed").count(), &times);
            self.snapshot.agents.insert(id, metric);
        }
    }

    fn check(&self) -> Findings {
        check(&self.program, &self.evidence, &self.snapshot)
    }

    /// A row that some mistake can be made in.
    fn row(&mut self, fits: impl Fn(&ExecutionRow) -> bool) -> &mut ExecutionRow {
        self.snapshot.executions.values_mut().find(|row| fits(row)).expect("some execution fits")
    }

    fn step(&mut self, fits: impl Fn(&StepRow) -> bool) -> &mut StepRow {
        self.snapshot.steps.values_mut().flatten().find(|step| fits(step)).expect("some step fits")
    }

    fn effect(&self) -> Entry {
        let found = self.evidence.entries.iter().find(|entry| matches!(entry, Entry::Effect { .. }));
        found.unwrap().clone()
    }

    fn start(&self) -> Entry {
        let found = self.evidence.entries.iter().find(|entry| matches!(entry, Entry::Start { .. }));
        found.unwrap().clone()
    }
}

fn set(metric: &mut MetricRow, succeeded: usize, times: &[f64]) {
    let count = |count: usize| i32::try_from(count).unwrap();
    (metric.total_executions, metric.successful_executions) = (count(times.len()), count(succeeded));
    metric.failed_executions = count(times.len() - succeeded);
    let average = times.iter().sum::<f64>() / f64::from(count(times.len()).max(1));
    metric.avg_execution_time_ms = format!("{:.0}", average.round()).parse().unwrap();
}

#[test]
fn a_run_that_is_right_breaks_no_rule() {
    for seed in 0..20 {
        let findings = World::new(seed).check();
        let broken: Vec<_> = findings.checks.iter().filter(|finding| finding.broken > 0).collect();

        assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
        assert!(findings.counts["timers"] > 0 && findings.counts["children"] > 0, "{:?}", findings.counts);
        assert!(findings.counts["retries"] > 0 && findings.counts["cancelled"] > 0, "{:?}", findings.counts);
    }
}

/// Makes one mistake in a run that is right, and wants its rule to be broken.
#[track_caller]
fn breaks(rule: &str, mistake: impl FnOnce(&mut World)) {
    let mut world = World::new(1);
    mistake(&mut world);
    let findings = world.check();
    let finding = findings.get(rule).unwrap();

    assert!(finding.broken > 0 && !finding.examples.is_empty(), "{rule}: {finding:?}");
    let setting = Setting { seed: 1, minutes: 1.0, faults: BTreeSet::new(), commit: "test".to_owned() };
    let report = Report::new(&setting, &world.evidence, findings);
    assert!(!report.ok && report.to_string().ends_with("do not hold"), "{report}");
}

#[test]
fn what_was_accepted_must_be_there_and_must_have_ended() {
    breaks("accepted_lost", |world| {
        let id = world.evidence.sent[0].order.id;
        world.snapshot.executions.remove(&id);
    });
    breaks("accepted_lost", |world| world.row(|row| row.parent_path.is_none()).input_data = json!({}));
    breaks("not_ended", |world| world.row(|_| true).status = "running".to_owned());
    breaks("cancels", |world| {
        let row = world.row(|row| row.is_cancel_requested);
        (row.is_cancel_requested, row.status) = (false, "running".to_owned());
    });
    breaks("left_behind", |world| world.row(|_| true).worker_id = Some(WORKER));
    breaks("left_behind", |world| world.snapshot.waits.push(world.evidence.sent[0].order.id));
    breaks("left_behind", |world| world.snapshot.counter_deltas = 1);
}

#[test]
fn an_end_must_be_that_of_the_model() {
    breaks("status_as_modelled", |world| world.row(|row| row.status == "completed").status = "failed".to_owned());
    breaks("status_as_modelled", |world| {
        let row = world.row(|row| row.status == "cancelled" && row.parent_path.is_none());
        (row.status, row.error_code) = ("timeout".to_owned(), Some("timeout".to_owned()));
    });
    breaks("output_as_modelled", |world| world.row(|row| row.status == "completed").output_data = json!("x"));
    breaks("steps_as_modelled", |world| {
        world.step(|step| step.agent_id.is_some() && step.status == "completed").output = Some(json!("x"));
    });
    breaks("steps_as_modelled", |world| {
        let id = world.row(|row| row.status == "completed").id;
        world.snapshot.steps.get_mut(&id).unwrap().pop();
    });
    breaks("steps_as_modelled", |world| world.step(|step| step.attempt > 1).attempt += 1);
    breaks("steps_as_modelled", |world| world.step(|step| step.status == "completed").status = "running".to_owned());
    breaks("steps_as_modelled", |world| {
        let step = world.step(|step| step.reason.as_deref() == Some("condition_unmet"));
        step.reason = Some("if_false".to_owned());
    });
}

#[test]
fn a_result_is_committed_once_and_in_order() {
    breaks("results_twice", |world| {
        let step = world.step(|step| step.status == "completed").clone();
        let again = StepRow { attempt: step.attempt + 1, ..step };
        world.snapshot.steps.get_mut(&again.execution_id).unwrap().push(again);
    });
    breaks("log_lines", |world| *world.snapshot.step_logs.values_mut().next().unwrap() += 1);
    breaks("journal_order", |world| {
        let steps = world.snapshot.steps.values_mut().find(|steps| steps.len() > 4).unwrap();
        let last = steps.iter().map(|step| step.seq).max().unwrap();
        for step in steps {
            step.seq = last - step.seq;
        }
    });
    breaks("journal_order", |world| {
        world.snapshot.steps.values_mut().find(|steps| steps.len() > 1).unwrap()[0].seq = 1;
        world.snapshot.steps.values_mut().find(|steps| steps.len() > 1).unwrap()[1].seq = 1;
    });
}

#[test]
fn nothing_comes_before_its_time() {
    breaks("timers_early", |world| {
        let fired = |step: &StepRow| step.output.as_ref().is_some_and(|output| output.get("fired_at").is_some());
        let long =
            |step: &StepRow| step.ended_at.is_some_and(|ended| ended - step.started_at > TimeDelta::milliseconds(20));
        let step = world.step(|step| fired(step) && long(step));
        step.ended_at = Some(step.started_at + TimeDelta::milliseconds(1));
    });
    breaks("retries_early", |world| {
        let step = world.step(|step| step.attempt > 1 && step.has_run());
        step.started_at -= TimeDelta::seconds(10);
    });
    // The times of the records are as they should be, but the database's clock says otherwise.
    breaks("timers_early", |world| {
        for row in world.snapshot.executions.values_mut() {
            row.updated_at -= TimeDelta::hours(1);
        }
    });
}

#[test]
fn agents_are_started_after_commits_and_again_only_if_a_worker_died() {
    breaks("successors_after_commit", |world| {
        let snapshot = &world.snapshot;
        for entry in &mut world.evidence.entries {
            if let Entry::Start { execution, missing, .. } = entry {
                let ran = snapshot.steps[execution].iter().filter(|step| step.has_run());
                *missing = Some(ran.map(|step| step.path.clone()).collect());
            }
        }
    });
    breaks("attempts_repeated", |world| world.evidence.entries.push(world.start()));
    breaks("attempts_repeated", |world| {
        let mut again = world.start();
        if let Entry::Start { worker, .. } = &mut again {
            *worker = Uuid::from_u128(0xb);
        }
        world.snapshot.workers.insert(Uuid::from_u128(0xb), false);
        world.evidence.entries.push(again);
    });
    breaks("attempts_told", |world| world.evidence.entries.retain(|entry| !matches!(entry, Entry::Start { .. })));
    breaks("effects_duplicated", |world| world.evidence.entries.push(world.effect()));
    breaks("effects_unknown", |world| {
        let mut other = world.effect();
        if let Entry::Effect { key, .. } = &mut other {
            key.push_str("/2");
        }
        world.evidence.entries.push(other);
    });
    breaks("stale_commits", |world| {
        world.evidence.entries.push(Entry::StaleCommit { worker: Uuid::from_u128(1), is_accepted: true });
    });
}

#[test]
fn what_was_recorded_is_done_again_by_nobody_alive() {
    let again = |world: &World| {
        let is_done = |entry: &&Entry| matches!(entry, Entry::Part { is_recorded: false, .. });
        world.evidence.entries.iter().find(is_done).unwrap().clone()
    };
    breaks("parts_repeated", |world| world.evidence.entries.push(again(world)));
    let mut world = World::new(1);
    let mut stale = again(&world);
    if let Entry::Part { worker, .. } = &mut stale {
        *worker = Uuid::from_u128(0xd);
    }
    world.snapshot.workers.insert(Uuid::from_u128(0xd), true);
    world.evidence.entries.push(stale);
    let findings = world.check();

    let rule = findings.get("parts_repeated").unwrap();
    assert!(rule.broken == 0 && rule.tried > 1, "{rule:?}");
    assert!(findings.counts["parts"] > 0);
    assert_eq!(findings.counts["parts_repeated_in_flight"], 1);
}

#[test]
fn an_attempt_that_was_lost_with_its_worker_excuses_a_second_effect() {
    let mut world = World::new(1);
    let (start, effect) = (world.start(), world.effect());
    let attempt = |entry: &Entry| match entry {
        Entry::Start { execution, path, attempt, .. } | Entry::Effect { execution, path, attempt, .. } => {
            (*execution, path.clone(), *attempt)
        }
        Entry::Part { .. } | Entry::StaleCommit { .. } => unreachable!(),
    };
    let (execution, path, number) = attempt(&effect);
    world.snapshot.workers.insert(WORKER, true);
    let worker = Uuid::from_u128(0xb);
    world.snapshot.workers.insert(worker, false);
    let missing = None;
    world.evidence.entries.push(Entry::Start { worker, execution, path, attempt: number, missing });
    world.evidence.entries.push(effect);
    let findings = world.check();

    assert_eq!(findings.get("effects_duplicated").unwrap().broken, 0);
    assert_eq!(findings.get("attempts_repeated").unwrap().broken, 0);
    assert_eq!((findings.counts["lost_attempts"], findings.counts["effects_repeated"]), (1, 1));
    assert_eq!(attempt(&start).2, 1);
}

#[test]
fn metrics_must_be_the_fold_of_what_happened() {
    breaks("workflow_metrics", |world| world.snapshot.workflows.values_mut().next().unwrap().total_executions += 1);
    breaks("workflow_metrics", |world| {
        world.snapshot.workflows.values_mut().next().unwrap().avg_execution_time_ms += 1;
    });
    breaks("agent_metrics", |world| world.snapshot.agents.values_mut().next().unwrap().failed_executions += 1);
    breaks("execution_fold", |world| world.row(|_| true).steps_completed += 1);
    breaks("execution_fold", |world| world.row(|_| true).duration_ms = None);
}

#[test]
fn a_step_has_one_child_with_its_input_and_none_outlives_its_parent() {
    let is_child = |row: &ExecutionRow| row.parent_path.is_some();
    breaks("children", |world| {
        let mut child = world.row(is_child).clone();
        child.id = Uuid::from_u128(5);
        world.snapshot.executions.insert(child.id, child);
    });
    breaks("children", |world| {
        let id = world.row(|row| is_child(row) && row.status == "completed").id;
        world.snapshot.executions.remove(&id);
    });
    breaks("children", |world| world.row(is_child).input_data["n"] = json!(99));
    breaks("children_left", |world| world.row(is_child).status = "running".to_owned());
    breaks("children_left", |world| {
        world.row(|row| is_child(row) && row.status == "completed").status = "cancelled".to_owned();
    });
}

#[test]
fn what_takes_too_long_is_told() {
    breaks("orphaned", |world| world.evidence.orphaned_ms_max = 15_001);
    breaks("takeover_after_kill", |world| world.evidence.takeovers_after_kill_ms.push(2_001));
    breaks("takeover_after_pause", |world| world.evidence.takeovers_after_pause_ms = vec![12_001]);
    breaks("healed", |world| world.evidence.healed_ms = Some(30_001));
    breaks("healed", |world| world.evidence.healed_ms = None);
}

#[test]
fn poison_is_excused_only_after_as_many_takeovers_as_it_takes() {
    let poison = |world: &mut World, takeovers: i32| {
        let row = world.row(|row| row.status == "completed");
        (row.status, row.error_code, row.takeovers) = ("failed".to_owned(), Some("poison".to_owned()), takeovers);
    };
    breaks("poison", |world| poison(world, 3));
    let mut world = World::new(1);
    poison(&mut world, 4);

    assert_eq!(world.check().get("poison").unwrap().broken, 0);
    assert_eq!(world.check().get("status_as_modelled").unwrap().broken, 0);
}

#[test]
fn a_run_that_tried_too_little_is_not_valid_and_says_what() {
    let mut world = World::new(1);
    let faults = BTreeSet::from(["kill_worker".to_owned(), "reply_lost".to_owned()]);
    let setting = Setting { seed: 1, minutes: 10.0, faults, commit: "test".to_owned() };
    let report = Report::new(&setting, &world.evidence, world.check());
    let page = report.to_string();

    assert!(report.ok && !report.valid, "{page}");
    for few in ["accepted executions: 60", "stale commits: 1,", "commits of unknown outcome: 0", "kill_worker: it was"]
    {
        assert!(page.contains(few), "{few}: {page}");
    }
    assert!(page.contains("NOT VALID"), "{page}");

    // Without faults nothing is asked of them.
    world.evidence.takeovers_after_kill_ms.clear();
    let setting = Setting { minutes: 0.1, faults: BTreeSet::new(), ..setting };
    let report = Report::new(&setting, &world.evidence, world.check());
    let page = report.to_string();
    assert!(report.ok && report.valid && page.ends_with("no rule was broken"), "{page}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["accepted"], &json["valid"], &json["stale_tried"]), (&json!(60), &json!(true), &json!(1)));
}
