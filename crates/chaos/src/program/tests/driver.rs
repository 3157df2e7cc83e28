//! Runs the workload's documents on the engine's machine, in a random order of everything that may race.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use turbocat_domain::{
    document::Document,
    execution::TriggerType,
    id::{AgentId, ExecutionId, WorkflowStepId},
    plan::{Plan, StepBinding},
    run::{AwaitStep, Command, Event, Outcome, Report, Run, RunContext, StartStep},
    step_run::{StepError, StepOutcome, StepRecord},
};
use uuid::Uuid;

use crate::{
    behaviour::{Decision, decide},
    evidence::{Entry, Order},
    oracle::snapshot::{ExecutionRow, StepRow},
    program::{BOTTOMLESS, Program, random::Random, write},
};

/// The workflows of a program, compiled, and which agent runs which of them.
pub(crate) struct Plans {
    plans: BTreeMap<String, Arc<Plan>>,
    children: BTreeMap<AgentId, String>,
}

/// An execution that has ended.
pub(crate) struct Ended {
    pub(crate) workflow: String,
    pub(crate) row: ExecutionRow,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) was_cut: bool,
}

/// What came of executions, and what their agents told.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) ended: Vec<Ended>,
    pub(crate) entries: Vec<Entry>,
}

/// The life of the worker that all of them run in.
pub(crate) const WORKER: Uuid = Uuid::from_u128(0xa);

pub(crate) fn plans(program: &Program) -> Plans {
    let (mut plans, mut agents, mut children) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (document, n) in program.documents().iter().zip(1_u128..) {
        if document["kind"] == "agent" {
            let id = AgentId::from_uuid(Uuid::from_u128(n));
            agents.insert(document["name"].as_str().unwrap().to_owned(), id);
            if let Some(workflow) = document["config"]["workflow"].as_str() {
                children.insert(id, workflow.to_owned());
                assert_eq!(document["name"], write::caller(workflow).as_str());
            }
            continue;
        }
        let parsed = Document::parse(document).unwrap_or_else(|problems| panic!("{problems}\n{document:#}"));
        let steps = document["steps"].as_array().unwrap();
        let bindings = parsed.steps().iter().zip(steps).zip(1_u128..).map(|((step, written), n)| {
            let agent_id = written["agent"].as_str().map(|agent| agents[agent]);
            (
                step.key.clone(),
                StepBinding { workflow_step_id: WorkflowStepId::from_uuid(Uuid::from_u128(n)), agent_id },
            )
        });
        let plan = Plan::compile(&parsed, &bindings.collect()).unwrap();
        plans.insert(document["name"].as_str().unwrap().to_owned(), Arc::new(plan));
    }
    Plans { plans, children }
}

/// Runs an order, and adds its execution after those of its children.
pub(crate) fn run(plans: &Plans, order: &Order, random: &mut Random, log: &mut Log) {
    let cancel_after = order.cancel_after_ms.map(|_| random.between(0, 30));
    Driver::start(plans, order, (&order.workflow, &order.input), None).drive(cancel_after, random, log);
}

/// The id that stands for a workflow.
pub(crate) fn workflow_id(name: &str) -> Uuid {
    name.bytes()
        .fold(Uuid::nil(), |id, byte| Uuid::from_u128((id.as_u128() << 8) ^ (id.as_u128() >> 120) ^ u128::from(byte)))
}

struct Driver<'a> {
    plans: &'a Plans,
    order: &'a Order,
    workflow: String,
    input: Value,
    run: Run,
    started_at: DateTime<Utc>,
    now: DateTime<Utc>,
    journal: Vec<StepRecord>,
    starts: Vec<StartStep>,
    waits: Vec<AwaitStep>,
    outcome: Option<Outcome>,
    id: Uuid,
    parent: Option<(Uuid, String)>,
}

impl<'a> Driver<'a> {
    fn start(
        plans: &'a Plans,
        order: &'a Order,
        (workflow, input): (&str, &Value),
        parent: Option<(Uuid, String)>,
    ) -> Self {
        // Far enough apart for the children of different steps.
        let child = |(parent, path): &(Uuid, String)| workflow_id(path).as_u128() ^ parent.as_u128().rotate_left(7);
        let id = parent.as_ref().map_or(order.id, |parent| Uuid::from_u128(child(parent)));
        let started_at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let context = RunContext {
            execution_id: ExecutionId::from_uuid(id),
            input: input.clone(),
            trigger_type: TriggerType::Api,
            trigger_data: json!({}),
            started_at,
        };
        let (run, commands) = Run::start(Arc::clone(&plans.plans[workflow]), Arc::new(context));
        let mut driver = Self {
            plans,
            order,
            workflow: workflow.to_owned(),
            input: input.clone(),
            run,
            started_at,
            now: started_at,
            journal: Vec::new(),
            starts: Vec::new(),
            waits: Vec::new(),
            outcome: None,
            id,
            parent,
        };
        driver.take(commands);
        driver
    }

    fn take(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::Start(start) => self.starts.push(start),
                Command::Wait(wait) => self.waits.push(wait),
                Command::Interrupt { step } => {
                    self.starts.retain(|start| start.step != step);
                    self.waits.retain(|wait| wait.step != step);
                }
                Command::Record(record) => self.journal.push(record),
                Command::Finish(outcome) => self.outcome = Some(outcome),
            }
        }
    }

    /// Runs to the end. `cancel_after` is after how many reports somebody ends it.
    fn drive(mut self, cancel_after: Option<u64>, random: &mut Random, log: &mut Log) -> Outcome {
        let mut reports = 0;
        let outcome = loop {
            if let Some(outcome) = self.outcome.take() {
                break outcome;
            }
            let is_stuck = self.starts.iter().all(|start| self.is_bottomless(start))
                && self.waits.iter().all(|wait| self.is_endless(wait));
            if cancel_after.is_some_and(|after| reports >= after) || (is_stuck && cancel_after.is_some()) {
                self.cancel_below(random, log);
                self.apply(&Event::CancelRequested);
            } else if is_stuck {
                assert_eq!(self.workflow, super::OVERDUE, "only this one is left alone");
                self.apply(&Event::DeadlinePassed);
            } else {
                self.report(random, log);
            }
            reports += 1;
        };
        let ended = self.ended(&outcome, cancel_after.is_some());
        log.ended.push(ended);
        outcome
    }

    /// Whether it is a child that ends only if somebody ends it.
    fn is_bottomless(&self, start: &StartStep) -> bool {
        self.plans.children.get(&start.agent_id).is_some_and(|workflow| workflow == BOTTOMLESS)
    }

    fn cancel_below(&self, random: &mut Random, log: &mut Log) {
        for start in self.starts.iter().filter(|start| self.is_bottomless(start)) {
            let parent = Some((self.id, start.path.clone()));
            let child = Driver::start(self.plans, self.order, (BOTTOMLESS, &start.inputs), parent);
            child.drive(Some(random.between(0, 9)), random, log);
        }
    }

    fn is_endless(&self, wait: &AwaitStep) -> bool {
        wait.until.is_none() && wait.event.as_ref().is_some_and(|event| self.payload(&event.name).is_none())
    }

    fn payload(&self, name: &str) -> Option<Value> {
        self.order.events.iter().find(|(_, sent, _)| sent == name).map(|(_, _, payload)| payload.clone())
    }

    /// Lets one of all things happen that may.
    fn report(&mut self, random: &mut Random, log: &mut Log) {
        let ready: Vec<usize> = (0..self.waits.len()).filter(|n| !self.is_endless(&self.waits[*n])).collect();
        let starts: Vec<usize> = (0..self.starts.len()).filter(|n| !self.is_bottomless(&self.starts[*n])).collect();
        let choice = usize::try_from(random.between(0, (starts.len() + ready.len() - 1) as u64)).unwrap();
        let report = if choice < starts.len() {
            let start = self.starts.remove(starts[choice]);
            self.now = self.now.max(start.due);
            self.answer(start, random, log)
        } else {
            let wait = self.waits.remove(ready[choice - starts.len()]);
            self.end_wait(&wait, random)
        };
        let event = self.run.interpret(report, self.now).unwrap().expect("it ends the step");
        self.apply(&event);
    }

    fn end_wait(&mut self, wait: &AwaitStep, random: &mut Random) -> Report {
        let event = wait.event.as_ref().map(|event| event.name.as_str()).unwrap_or_default();
        let approval = self.order.approvals.iter().find(|(_, path, _)| event == "approval" && *path == wait.path);
        match (self.payload(event), approval) {
            (Some(payload), _) => Report::Signalled { step: wait.step, payloads: vec![payload] },
            (None, Some((_, _, payload))) if random.percent(50) => {
                Report::Signalled { step: wait.step, payloads: vec![payload.clone()] }
            }
            _ => {
                self.now = self.now.max(wait.until.unwrap());
                Report::TimerFired { step: wait.step }
            }
        }
    }

    fn answer(&self, start: StartStep, random: &mut Random, log: &mut Log) -> Report {
        let StartStep { step, attempt, .. } = start;
        let result = match self.plans.children.get(&start.agent_id) {
            Some(workflow) => {
                let parent = Some((self.id, start.path.clone()));
                let child = Driver::start(self.plans, self.order, (workflow, &start.inputs), parent);
                let outcome = child.drive(None, random, log);
                match outcome.error {
                    None => Ok(outcome.output),
                    Some(error) => Err(StepError::permanent(error.code, error.message)),
                }
            }
            None => match self.told(&start, log) {
                Decision::Answer(value) | Decision::Slow(_, value) => Ok(value),
                Decision::Fail(error) => Err(error),
                Decision::Crash => Err(StepError::transient("crashed", "it crashed")),
                Decision::Hang => Err(StepError::transient("timeout", "it hung")),
            },
        };
        match result {
            Ok(answer) => Report::Answered { step, attempt, answer },
            Err(error) => Report::Failed { step, attempt, error },
        }
    }

    /// Tells of an attempt what its agent would.
    fn told(&self, start: &StartStep, log: &mut Log) -> Decision {
        let (worker, execution, path, attempt) = (WORKER, self.id, start.path.clone(), start.attempt);
        let missing = Some(Vec::new());
        log.entries.push(Entry::Start { worker, execution, path: path.clone(), attempt, missing });
        if start.inputs.get("effect").is_some() {
            let key = format!("{execution}/{path}");
            log.entries.push(Entry::Effect { worker, key, execution, path, attempt });
        }
        if start.inputs.get("turns").is_some() && attempt == 1 {
            let key = "turn.1".to_owned();
            for is_recorded in [false, true] {
                let (path, key) = (start.path.clone(), key.clone());
                log.entries.push(Entry::Part { worker, execution, path, key, is_recorded });
            }
        }
        decide(&start.inputs, attempt)
    }

    fn apply(&mut self, event: &Event) {
        self.now += TimeDelta::milliseconds(1);
        let record = self.run.record(event, self.now);
        self.journal.extend(record);
        let commands = self.run.apply(event, self.now).unwrap();
        self.take(commands);
    }

    fn ended(mut self, outcome: &Outcome, was_cut: bool) -> Ended {
        let count = |count: u32| i32::try_from(count).unwrap();
        let (parent_execution_id, parent_path) = self.parent.clone().unzip();
        let row = ExecutionRow {
            id: self.id,
            workflow_id: workflow_id(&self.workflow),
            status: outcome.status.as_str().to_owned(),
            input_data: self.input.clone(),
            output_data: outcome.output.clone(),
            error_code: outcome.error.as_ref().map(|error| error.code.clone()),
            steps_total: count(self.run.plan().steps_total()),
            steps_completed: count(outcome.steps_completed),
            steps_failed: count(outcome.steps_failed),
            started_at: Some(self.started_at.naive_utc()),
            completed_at: Some(self.now.naive_utc()),
            duration_ms: Some(i32::try_from((self.now - self.started_at).num_milliseconds()).unwrap()),
            updated_at: self.now.naive_utc(),
            worker_id: None,
            takeovers: 0,
            is_cancel_requested: was_cut,
            parent_execution_id,
            parent_path,
        };
        self.journal.sort_by(|a, b| (&a.path, a.attempt).cmp(&(&b.path, b.attempt)));
        let steps = self.journal.iter().map(row_of).collect();
        Ended { workflow: self.workflow, row, steps, was_cut }
    }
}

fn row_of(record: &StepRecord) -> StepRow {
    let (output, error, reason) = match &record.outcome {
        StepOutcome::Running => (None, None, None),
        StepOutcome::Completed(output) => (Some(output.clone()), None, None),
        StepOutcome::Failed(error) => (None, Some(error.code.clone()), None),
        StepOutcome::Skipped(reason) => (None, None, Some(reason.as_str().to_owned())),
    };
    StepRow {
        execution_id: record.execution_id.as_uuid(),
        path: record.path.clone(),
        attempt: i16::try_from(record.attempt).unwrap(),
        seq: i32::try_from(record.seq).unwrap(),
        status: record.outcome.status().as_str().to_owned(),
        reason,
        output,
        error_code: error,
        started_at: record.started_at.naive_utc(),
        ended_at: record.ended_at.map(|at| at.naive_utc()),
        agent_id: record.agent_id.map(AgentId::as_uuid),
    }
}
