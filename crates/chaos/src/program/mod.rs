//! The workload of the chaos: seeded workflows, the orders to run them, and a model of what they come to.
//!
//! Everything that decides how an execution ends is a function of the seed and the number of the order, so that the
//! model can tell it beforehand; what races is said to.
//!
//! # Invariants
//!
//! 1. The same seed gives the same documents, and the same order for the same number.
//! 2. The model agrees with the engine's machine on every workflow that is generated (a differential test).

mod expression;
pub(crate) mod forecast;
mod generate;
mod model;
pub(crate) mod pattern;
pub(crate) mod random;
mod shape;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use self::{
    forecast::Forecast,
    generate::{Style, leaf},
    random::Random,
    shape::{Action, Join, OnError, Step, Wait, Workflow},
};
use crate::evidence::Order;

/// Workflows and agents, all from one seed.
#[derive(Debug)]
pub(crate) struct Program {
    seed: u64,
    workflows: BTreeMap<String, Workflow>,
}

/// Workflows that only others run, with those that they may run themselves.
const INNER: [(&str, &[&str]); 3] = [("leaf-one", &[]), ("leaf-two", &[]), ("middle", &["leaf-one", "leaf-two"])];
/// Workflows that are ordered.
const OUTER: [&str; 8] = ["mix-1", "mix-2", "mix-3", "mix-4", "mix-5", "mix-6", "mix-7", "mix-8"];
/// The events that some of them wait for.
const EVENTS: [&str; 2] = ["chaos-sent-one", "chaos-sent-two"];
/// It waits for ever, and is cancelled.
const ENDLESS: &str = "endless";
/// They do nothing before their event has come, and so leave memory. Each has an event of its own: as long as events of
/// a name come in, those who wait for it are kept in memory.
const PATIENT: [(&str, &str); 12] = [
    ("patient-1", "chaos-rare-1"),
    ("patient-2", "chaos-rare-2"),
    ("patient-3", "chaos-rare-3"),
    ("patient-4", "chaos-rare-4"),
    ("patient-5", "chaos-rare-5"),
    ("patient-6", "chaos-rare-6"),
    ("patient-7", "chaos-rare-7"),
    ("patient-8", "chaos-rare-8"),
    ("patient-9", "chaos-rare-9"),
    ("patient-10", "chaos-rare-10"),
    ("patient-11", "chaos-rare-11"),
    ("patient-12", "chaos-rare-12"),
];
/// It waits for ever, and is cancelled with its parent.
const BOTTOMLESS: &str = "bottomless";
/// It waits for ever, and takes too long.
const OVERDUE: &str = "overdue";

impl Program {
    /// Makes the workflows of a seed.
    pub(crate) fn generate(seed: u64) -> Self {
        let mut all = Vec::new();
        for ((name, children), n) in INNER.into_iter().zip(0..) {
            let style = Style { steps: 2, depth: 1, children, event: None, failures: 4 };
            let mut workflow = generate::workflow(name, style, Random::of(seed, n));
            if let Some(child) = children.first() {
                workflow.steps.push(alone("inner", leaf::child(child, 1)));
            }
            all.push(workflow);
        }
        for (name, n) in OUTER.into_iter().zip(100..) {
            let mut random = Random::of(seed, n);
            let event = EVENTS.get(usize::try_from(n % 4).unwrap_or(0)).copied();
            let style = Style {
                steps: random.between(3, 6),
                depth: random.between(1, 3),
                children: &["leaf-one", "leaf-two", "middle", "middle"],
                event,
                failures: random.between(0, 5),
            };
            all.push(certain(generate::workflow(name, style, random), event, n));
        }
        for (name, timeout_ms) in [(BOTTOMLESS, None), (ENDLESS, None), (OVERDUE, Some(2_500))] {
            let style = Style { steps: 2, depth: 1, children: &["leaf-one"], event: None, failures: 0 };
            let mut workflow = endless(generate::workflow(name, style, Random::of(seed, 200)), timeout_ms);
            if name == ENDLESS {
                workflow.steps.push(alone("below", leaf::child(BOTTOMLESS, 0)));
            }
            all.push(workflow);
        }
        all.extend(PATIENT.into_iter().map(patient));
        Self { seed, workflows: all.into_iter().map(|workflow| (workflow.name.clone(), workflow)).collect() }
    }

    /// The documents to be published, agents before the workflows that name them.
    pub(crate) fn documents(&self) -> Vec<Value> {
        let callers = INNER.iter().map(|(name, _)| *name).chain([BOTTOMLESS]).map(write::caller_agent);
        let agents = write::AGENTS.into_iter().map(write::agent).chain(callers);
        agents.chain(self.workflows.values().map(write::workflow)).collect()
    }

    /// The order of this number: always the same.
    pub(crate) fn order(&self, n: u64) -> Order {
        let mut random = Random::of(self.seed, n.wrapping_add(1 << 32));
        let workflow = match random.between(0, 99) {
            0..=4 => ENDLESS,
            5..=7 => OVERDUE,
            8..=13 => random.pick(&PATIENT).map_or(ENDLESS, |(name, _)| name),
            _ => random.pick(&OUTER).copied().unwrap_or(ENDLESS),
        };
        let cancel_after_ms = match workflow {
            ENDLESS => Some(random.between(200, 4_000)),
            OVERDUE => None,
            _ => random.percent(8).then(|| random.between(0, 3_000)),
        };
        let colours = ["red", "green", "blue"];
        let list: Vec<u64> = (0..random.between(0, 3)).map(|_| random.between(0, 9)).collect();
        let input = json!({
            "n": random.between(0, 12), "order": n, "list": list,
            "colour": random.pick(&colours).copied().unwrap_or_default(),
        });
        let waits = self.workflows.get(workflow).map(waits_outside).unwrap_or_default();
        let mut events = Vec::new();
        let mut approvals = Vec::new();
        for (key, wait) in waits {
            match wait {
                // Each has one: the same event ends all waits for it.
                Wait::Event(name) if !events.iter().any(|(_, sent, _)| sent == name) => {
                    let payload = json!({ "order": n, "name": name });
                    events.push((random.between(50, 2_500), (*name).to_owned(), payload));
                }
                Wait::Approval { .. } => {
                    let payload = json!({ "approved": random.percent(80), "by": "somebody" });
                    approvals.push((random.between(100, 1_500), key.to_owned(), payload));
                }
                _ => {}
            }
        }
        let id = order_id(n, &mut random);
        Order { id, workflow: workflow.to_owned(), input, cancel_after_ms, events, approvals }
    }

    /// What an execution of a workflow with this input comes to, if nobody interferes; `None` of an unknown workflow.
    pub(crate) fn forecast(&self, workflow: &str, input: &Value) -> Option<Forecast> {
        Some(model::forecast(&self.workflows, self.workflows.get(workflow)?, input))
    }
}

/// The waits outside of bodies.
fn waits_outside(workflow: &Workflow) -> Vec<(&str, &Wait)> {
    let steps = workflow.steps.iter();
    let waits = steps.filter_map(|step| match &step.action {
        Action::Wait(wait) => Some((step.key.as_str(), wait)),
        _ => None,
    });
    waits.collect()
}

/// The workflow, with what every run has to see, whatever its seed.
fn certain(mut workflow: Workflow, event: Option<&'static str>, n: u64) -> Workflow {
    let has_one = waits_outside(&workflow).iter().any(|(_, wait)| matches!(wait, Wait::Event(_)));
    if let Some(name) = event.filter(|_| !has_one) {
        workflow.steps.push(alone("sent", Action::Wait(Wait::Event(name))));
    }
    workflow.steps.push(match n % 4 {
        0 => alone("inner", leaf::child("middle", 2)),
        1 => alone("nap", Action::Wait(Wait::Duration(6_000))),
        2 => alone("again", leaf::flaky()),
        _ => alone("short", Action::Wait(Wait::Duration(400))),
    });
    workflow
}

/// Waits for an event, and then acts.
fn patient((name, event): (&str, &'static str)) -> Workflow {
    let steps = vec![
        alone("sent", Action::Wait(Wait::Event(event))),
        Step { depends_on: vec!["sent".to_owned()], ..alone("then", leaf::flaky()) },
    ];
    Workflow { name: name.to_owned(), steps, output: None, timeout_ms: None, max_parallel_steps: 16 }
}

/// The workflow, with a wait that never ends.
fn endless(mut workflow: Workflow, timeout_ms: Option<u64>) -> Workflow {
    workflow.timeout_ms = timeout_ms;
    workflow.steps.iter_mut().for_each(|step| step.on_error = OnError::Continue);
    workflow.steps.push(alone("endless", Action::Wait(Wait::Endless)));
    workflow
}

fn alone(key: &str, action: Action) -> Step {
    let (depends_on, join, on_error) = (Vec::new(), Join::AllSuccess, OnError::Continue);
    Step { key: key.to_owned(), depends_on, join, guard: None, on_error, action }
}

/// An id as the engine likes them: a UUID of version 7, of a time that grows with the number.
fn order_id(n: u64, random: &mut Random) -> Uuid {
    const EPOCH_MS: u64 = 1_700_000_000_000;
    let mut bytes = [0; 10];
    let source = random.next().to_le_bytes().into_iter().chain(random.next().to_le_bytes());
    bytes.iter_mut().zip(source).for_each(|(byte, chosen)| *byte = chosen);
    uuid::Builder::from_unix_timestamp_millis(EPOCH_MS + n, &bytes).into_uuid()
}
