//! Workflows as the documents that are published.

use serde_json::{Map, Value, json};

use super::shape::{
    Act, Action, Agent, Choice, Condition, Fork, ForkShape, ItemErrors, Join, Loop, OnError, Rounds, Step, Wait,
    Workflow, dependencies,
};

/// How many paths at most an agent looks for in the journal before it starts.
const AFTER_MAX: usize = 6;

/// How many turns an agent takes that takes some.
const TURNS: u64 = 3;

/// The agents: all act alike, but few run at once of one of them.
pub(crate) const AGENTS: [(&str, u64); 2] = [("chaos-wide", 1_000), ("chaos-narrow", 18)];

/// The document of an agent that acts.
pub(crate) fn agent((name, at_once): (&str, u64)) -> Value {
    json!({
        "kind": "agent", "name": name, "type": "code", "max_concurrent_executions": at_once,
        "config": { "language": "javascript", "source": "export default function (inputs) { return inputs.value }" },
    })
}

/// The name of the agent that runs a workflow.
pub(crate) fn caller(workflow: &str) -> String {
    format!("call-{workflow}")
}

/// The document of an agent that runs a workflow.
pub(crate) fn caller_agent(workflow: &str) -> Value {
    json!({ "kind": "agent", "name": caller(workflow), "type": "workflow", "config": { "workflow": workflow } })
}

/// Where the steps of a body stand.
#[derive(Clone)]
struct Place {
    /// What their paths begin with, as text with expressions; `None` if no expression can tell.
    prefix: Option<String>,
    /// Whether that has the number of a round or an item in it.
    has_number: bool,
    /// What must be durable when the body begins, as such texts.
    before: Vec<String>,
}

/// The document of a workflow.
pub(crate) fn workflow(workflow: &Workflow) -> Value {
    let mut steps = Vec::new();
    let root = Place { prefix: Some(String::new()), has_number: false, before: Vec::new() };
    write_body(&workflow.steps, &root, &mut steps);
    let mut settings = json!({ "max_parallel_steps": workflow.max_parallel_steps });
    if let (Some(timeout_ms), Some(settings)) = (workflow.timeout_ms, settings.as_object_mut()) {
        settings.insert("timeout_ms".to_owned(), json!(timeout_ms));
    }
    let mut document = json!({ "name": workflow.name, "settings": settings, "steps": steps });
    if let (Some(output), Some(document)) = (&workflow.output, document.as_object_mut()) {
        let output: Map<_, _> = output.iter().map(|(key, expr)| (key.clone(), expr.mapping())).collect();
        document.insert("output".to_owned(), Value::Object(output));
    }
    document
}

fn write_body(body: &[Step], place: &Place, steps: &mut Vec<Value>) {
    for step in body {
        let after = after(body, step, place);
        steps.push(write_step(step, &after));
        for (segment, inner) in inner_bodies(step) {
            let prefix = match (&place.prefix, &segment) {
                // `index` and `iteration` are those of the innermost round.
                (Some(_), Segment::Number(_)) if place.has_number => None,
                (Some(prefix), Segment::Number(number)) => Some(format!("{prefix}{}[${{{{ {number} }}}}].", step.key)),
                (Some(prefix), Segment::Name(name)) => Some(format!("{prefix}{}.{name}.", step.key)),
                (None, _) => None,
            };
            let has_number = place.has_number || matches!(segment, Segment::Number(_));
            // What an outer body had before has paths with outer numbers, which cannot be told inside of another round.
            let is_told = !(place.has_number && matches!(segment, Segment::Number(_)));
            let before = if is_told { after.clone() } else { Vec::new() };
            write_body(inner, &Place { prefix, has_number, before }, steps);
        }
    }
}

enum Segment<'a> {
    Number(&'static str),
    Name(&'a str),
}

fn inner_bodies(step: &Step) -> Vec<(Segment<'_>, &[Step])> {
    match &step.action {
        Action::Loop(repeat) => vec![(Segment::Number("iteration - 1"), &repeat.body)],
        Action::Fork(Fork { shape: ForkShape::Map { body, .. }, .. }) => vec![(Segment::Number("index"), body)],
        Action::Fork(Fork { shape: ForkShape::Branches(branches), .. }) => {
            branches.iter().map(|(name, body)| (Segment::Name(name), body.as_slice())).collect()
        }
        Action::Agent(_) | Action::Child(..) | Action::Condition(_) | Action::Wait(_) => Vec::new(),
    }
}

/// The paths that must be durable before a step starts: those upstream whose end is a fact of its own. What follows
/// from facts is only stored along with them.
fn after(body: &[Step], step: &Step, place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(prefix) = &place.prefix {
        let mut open: Vec<&str> = dependencies(body, step);
        while let Some(key) = open.pop() {
            let Some(upstream) = body.iter().find(|other| other.key == key) else { continue };
            let path = format!("{prefix}{key}");
            if found.contains(&path) {
                continue;
            }
            if matches!(upstream.action, Action::Agent(_) | Action::Child(..) | Action::Wait(_)) {
                found.push(path);
            }
            open.extend(dependencies(body, upstream));
        }
    }
    found.extend(place.before.iter().cloned());
    found.truncate(AFTER_MAX);
    found
}

fn write_step(step: &Step, after: &[String]) -> Value {
    let mut written = Map::new();
    let mut put = |key: &str, value: Value| written.insert(key.to_owned(), value);
    put("key", json!(step.key));
    put("depends_on", json!(step.depends_on));
    put("join", json!(join(step.join)));
    put("on_error", json!(on_error(step.on_error)));
    if let Some(guard) = &step.guard {
        put("if", json!(guard.text()));
    }
    let (kind, config) = match &step.action {
        Action::Agent(agent) => {
            put("agent", json!(agent.name));
            put("inputs", inputs(agent, after));
            put("retry_count", json!(agent.retries));
            put("retry_delay_ms", json!(agent.retry_delay_ms));
            if let Some(timeout_ms) = agent.timeout_ms {
                put("timeout_ms", json!(timeout_ms));
            }
            let backoff = if agent.is_fixed { "fixed" } else { "exponential" };
            ("agent", json!({ "backoff": backoff, "jitter": agent.has_jitter }))
        }
        Action::Child(workflow, inputs) => {
            let inputs: Map<_, _> = inputs.iter().map(|(key, expr)| ((*key).to_owned(), expr.mapping())).collect();
            put("agent", json!(caller(workflow)));
            put("inputs", Value::Object(inputs));
            ("agent", json!({}))
        }
        Action::Condition(condition) => ("condition", condition_config(condition)),
        Action::Loop(repeat) => ("loop", loop_config(repeat)),
        Action::Fork(fork) => ("parallel", fork_config(fork)),
        Action::Wait(wait) => ("wait", wait_config(wait)),
    };
    put("type", json!(kind));
    put("config", config);
    Value::Object(written)
}

fn inputs(agent: &Agent, after: &[String]) -> Value {
    let (act, number) = match agent.act {
        Act::Echo => ("echo", None),
        Act::Slow(ms) => ("slow", Some(("ms", ms))),
        Act::Flaky(times) => ("flaky", Some(("times", u64::from(times)))),
        Act::Crash(times) => ("crash", Some(("times", u64::from(times)))),
        Act::Hang(times) => ("hang", Some(("times", u64::from(times)))),
        Act::Fail => ("fail", None),
    };
    // One that has little time does not look into the journal, which faults may slow down.
    let after = if matches!(agent.act, Act::Hang(_)) { &[] } else { after };
    let mut inputs = json!({ "do": act, "value": agent.value.mapping(), "after": after });
    if let Some(inputs) = inputs.as_object_mut() {
        inputs.extend(number.map(|(key, number)| (key.to_owned(), json!(number))));
        if agent.is_effect {
            inputs.insert("effect".to_owned(), json!(true));
        }
        // Those that are made again take turns on their way, and those that take a while.
        if agent.is_effect && matches!(agent.act, Act::Slow(_) | Act::Flaky(_) | Act::Crash(_)) {
            inputs.insert("turns".to_owned(), json!(TURNS));
        }
    }
    inputs
}

fn condition_config(condition: &Condition) -> Value {
    let mut config = Map::new();
    let branches = condition.branches.iter().map(|(name, keys)| (name.clone(), json!(keys)));
    match &condition.choice {
        Choice::If(test) => {
            config.insert("if".to_owned(), json!(test.text()));
            config.extend(branches);
        }
        Choice::Switch(expr) => {
            let (default, cases): (Vec<_>, Vec<_>) = branches.partition(|(name, _)| name == "default");
            config.insert("switch".to_owned(), json!(expr.text()));
            config.insert("cases".to_owned(), Value::Object(cases.into_iter().collect()));
            config.extend(default);
        }
    }
    Value::Object(config)
}

fn keys(body: &[Step]) -> Value {
    json!(body.iter().map(|step| step.key.as_str()).collect::<Vec<_>>())
}

fn loop_config(repeat: &Loop) -> Value {
    let mut config = json!({ "max_iterations": repeat.max_iterations, "body": keys(&repeat.body) });
    if let Some(config) = config.as_object_mut() {
        match &repeat.rounds {
            Rounds::Items(items) => config.insert("items".to_owned(), items.mapping()),
            Rounds::While(test) => config.insert("while".to_owned(), json!(test.text())),
        };
        config.extend(repeat.break_if.as_ref().map(|test| ("break_if".to_owned(), json!(test.text()))));
    }
    config
}

fn fork_config(fork: &Fork) -> Value {
    let on_item_error = match fork.on_item_error {
        ItemErrors::Fail => "fail",
        ItemErrors::Null => "null",
        ItemErrors::Drop => "drop",
    };
    let wait_for = match fork.wait_for {
        None => json!("all"),
        Some(1) => json!("any"),
        Some(count) => json!(count),
    };
    let mut config = json!({ "on_item_error": on_item_error, "wait_for": wait_for });
    if let Some(config) = config.as_object_mut() {
        match &fork.shape {
            ForkShape::Branches(branches) => {
                let branches: Map<_, _> = branches.iter().map(|(name, body)| (name.clone(), keys(body))).collect();
                config.insert("branches".to_owned(), Value::Object(branches));
            }
            ForkShape::Map { items, body, max_concurrency } => {
                config.insert("items".to_owned(), items.mapping());
                config.insert("body".to_owned(), keys(body));
                config.extend(max_concurrency.map(|most| ("max_concurrency".to_owned(), json!(most))));
            }
        }
    }
    config
}

fn wait_config(wait: &Wait) -> Value {
    // Events of the same execution, whenever they come.
    const FILTER: &str = "event.order == input.order";
    const LOOKBACK_MS: u64 = 300_000;
    match wait {
        Wait::Duration(duration_ms) => json!({ "duration_ms": duration_ms }),
        Wait::Past => json!({ "until": "2020-01-01T00:00:00Z" }),
        Wait::Event(name) => json!({ "event": { "name": name, "filter": FILTER }, "lookback_ms": LOOKBACK_MS }),
        Wait::Nothing { timeout_ms, default } => {
            let on_timeout = if default.is_some() { "continue" } else { "fail" };
            json!({
                "event": { "name": "chaos-never", "filter": FILTER }, "timeout_ms": timeout_ms,
                "on_timeout": on_timeout, "default": default,
            })
        }
        Wait::Endless => json!({ "event": { "name": "chaos-never", "filter": FILTER } }),
        Wait::Approval { timeout_ms } => json!({
            "approval": {}, "timeout_ms": timeout_ms, "on_timeout": "continue", "default": { "approved": null },
        }),
    }
}

const fn join(join: Join) -> &'static str {
    match join {
        Join::AllSuccess => "all_success",
        Join::NoneFailed => "none_failed",
        Join::OneSuccess => "one_success",
        Join::AllDone => "all_done",
    }
}

const fn on_error(on_error: OnError) -> &'static str {
    match on_error {
        OnError::Fail => "fail",
        OnError::Continue => "continue",
        OnError::Retry => "retry",
    }
}
