//! A naive model of the workflow language: what an execution of the workload must come to.
//!
//! It follows the language's description, by plain recursion over the tree, and shares nothing with the engine. What
//! it cannot know - what a race decides - it leaves open, and the workload has little of that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    expression::{Expr, Scope},
    forecast::{End, Forecast, Kind, PathForecast, REASONS},
    pattern,
    shape::{Act, Action, Agent, Choice, Condition, Join, OnError, Step, Wait, Workflow, deciders, dependencies},
};

mod container;

/// Evaluates one execution.
pub(super) struct Model<'a> {
    workflows: &'a BTreeMap<String, Workflow>,
    forecast: Forecast,
}

/// How a body ends.
pub(super) enum Closed {
    /// With this output.
    Done(Value),
    /// By a failure with one of these codes.
    Failed(BTreeSet<String>),
    /// Not by itself.
    Never,
}

/// What the steps that depend on a step see of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Completed,
    Skipped,
    /// It fails, and its body with it.
    Fatal,
    /// It ends only if something else ends its body.
    Never,
}

/// Where a body stands, and what ended before it began.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    prefix: &'a str,
    before: &'a BTreeSet<String>,
}

/// A body on its way.
struct Body<'a, 's> {
    steps: &'a [Step],
    scope: Scope<'s>,
    fates: BTreeMap<&'a str, Fate>,
    codes: BTreeMap<&'a str, BTreeSet<String>>,
    /// The branches that conditions have taken.
    taken: BTreeMap<&'a str, String>,
    before: BTreeMap<&'a str, BTreeSet<String>>,
}

/// What an execution of a workflow with an input comes to.
pub(super) fn forecast(workflows: &BTreeMap<String, Workflow>, workflow: &Workflow, input: &Value) -> Forecast {
    let mut model = Model { workflows, forecast: Forecast::default() };
    let scope = Scope { input: Some(input), ..Scope::default() };
    let nothing = BTreeSet::new();
    let mut root = Body::new(&workflow.steps, scope);
    let closed = model.body(&mut root, Place { prefix: "", before: &nothing });
    let mut forecast = model.forecast;
    forecast.steps_total = u32::try_from(workflow.steps.len()).unwrap_or(u32::MAX);
    match closed {
        Closed::Done(output) => {
            forecast.statuses.insert("completed");
            forecast.output = match &workflow.output {
                None => output,
                Some(fields) => {
                    pattern::object(fields.iter().map(|(key, expr)| (key.clone(), expr.evaluate(&root.scope))))
                }
            };
        }
        Closed::Failed(codes) => {
            forecast.statuses.insert("failed");
            forecast.codes = codes;
        }
        Closed::Never => {
            forecast.statuses.extend(workflow.timeout_ms.map(|_| "timeout"));
            forecast.soften("");
        }
    }
    forecast
}

impl<'a, 's> Body<'a, 's> {
    fn new(steps: &'a [Step], scope: Scope<'s>) -> Self {
        Self {
            steps,
            scope,
            fates: BTreeMap::new(),
            codes: BTreeMap::new(),
            taken: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }

    fn fate(&self, key: &str) -> Fate {
        self.fates.get(key).copied().unwrap_or(Fate::Never)
    }

    /// Why a step is skipped, if it is.
    fn reasons(&self, step: &Step, fates: &[Fate]) -> Vec<&'static str> {
        let is_excluded = deciders(self.steps, &step.key).any(|(condition, decided)| {
            self.taken.get(condition).is_some_and(|taken| {
                let named = decided.branches.iter().find(|(name, _)| name == taken);
                !named.is_some_and(|(_, keys)| keys.contains(&step.key))
            })
        });
        let has_completed = fates.is_empty() || fates.contains(&Fate::Completed);
        let is_out_of_reach = match step.join {
            Join::AllSuccess => fates.contains(&Fate::Skipped),
            Join::NoneFailed | Join::OneSuccess => !has_completed,
            Join::AllDone => false,
        };
        let excluded = is_excluded.then_some("condition_unmet");
        let unreached = is_out_of_reach.then_some("dependency_skipped");
        let unmet = step.guard.as_ref().is_some_and(|guard| !guard.holds(&self.scope));
        let found: Vec<_> = excluded.into_iter().chain(unreached).collect();
        if found.is_empty() && unmet { vec!["if_false"] } else { found }
    }

    /// The output: that of the last step, or of the last steps by key.
    fn output(&self) -> Value {
        let is_last =
            |step: &&Step| !self.steps.iter().any(|other| dependencies(self.steps, other).contains(&step.key.as_str()));
        let last: Vec<&Step> = self.steps.iter().filter(is_last).collect();
        let output = |step: &Step| self.scope.steps.get(&step.key).map(|(output, _)| output.clone());
        match last.as_slice() {
            [step] => output(step).unwrap_or_default(),
            several => pattern::object(several.iter().map(|step| (step.key.clone(), output(step).unwrap_or_default()))),
        }
    }
}

impl<'a> Model<'a> {
    fn body(&mut self, body: &mut Body<'a, '_>, place: Place<'_>) -> Closed {
        for step in body.steps {
            self.step(body, step, place);
        }
        let fatal: Vec<&str> =
            body.fates.iter().filter(|(_, fate)| **fate == Fate::Fatal).map(|(key, _)| *key).collect();
        if fatal.is_empty() {
            let is_endless = body.fates.values().any(|fate| *fate == Fate::Never);
            return if is_endless { Closed::Never } else { Closed::Done(body.output()) };
        }
        self.cut(body, &fatal, place);
        Closed::Failed(fatal.iter().filter_map(|key| body.codes.get(key)).flatten().cloned().collect())
    }

    /// What did not end before the failure that ends a body may be cut short by it.
    fn cut(&mut self, body: &Body<'a, '_>, fatal: &[&str], place: Place<'_>) {
        let path = |key: &str| format!("{}{key}", place.prefix);
        for step in body.steps {
            let own = path(&step.key);
            let is_before = |key: &&str| body.before.get(*key).is_some_and(|before| before.contains(&own));
            let is_the_one = fatal == [step.key.as_str()];
            if !is_the_one && !fatal.iter().all(is_before) {
                self.forecast.soften(&own);
            }
        }
    }

    fn step(&mut self, body: &mut Body<'a, '_>, step: &'a Step, place: Place<'_>) {
        let path = format!("{}{}", place.prefix, step.key);
        let needed = dependencies(body.steps, step);
        let fates: Vec<Fate> = needed.iter().map(|key| body.fate(key)).collect();
        let mut before = place.before.clone();
        for key in &needed {
            before.insert(format!("{}{key}", place.prefix));
            let has_run = self.forecast.paths.get(&format!("{}{key}", place.prefix)).is_some_and(|p| p.end.has_run());
            if has_run {
                before.extend(body.before.get(key).into_iter().flatten().cloned());
            }
        }
        body.before.insert(&step.key, before.clone());
        let blank = PathForecast {
            end: End::Never,
            kind: Kind::Other,
            attempts: 1,
            delays_ms: Vec::new(),
            before,
            may_be_cancelled: false,
            may_be_absent: false,
        };
        self.forecast.paths.insert(path.clone(), blank.clone());
        let reasons = body.reasons(step, &fates);
        let found = if fates.iter().any(|fate| matches!(fate, Fate::Fatal | Fate::Never)) {
            PathForecast { end: End::Skipped(REASONS.to_vec()), ..blank }
        } else if reasons.is_empty() {
            self.action(body, step, &path, blank)
        } else {
            PathForecast { end: End::Skipped(reasons), ..blank }
        };
        let is_stuck = fates.iter().any(|fate| matches!(fate, Fate::Fatal | Fate::Never));
        self.close_step(body, step, (path, found), is_stuck);
    }

    fn close_step(
        &mut self,
        body: &mut Body<'a, '_>,
        step: &'a Step,
        (path, found): (String, PathForecast),
        is_stuck: bool,
    ) {
        let goes_on = step.on_error == OnError::Continue;
        let (fate, output, status) = match &found.end {
            _ if is_stuck => (Fate::Never, Value::Null, "skipped"),
            End::Completed(output) => (Fate::Completed, output.clone(), "completed"),
            End::Failed(codes) => {
                body.codes.insert(&step.key, codes.clone());
                (if goes_on { Fate::Completed } else { Fate::Fatal }, Value::Null, "failed")
            }
            End::Skipped(_) => (Fate::Skipped, Value::Null, "skipped"),
            End::Never => (Fate::Never, Value::Null, "running"),
        };
        body.fates.insert(&step.key, fate);
        body.scope.steps.insert(step.key.clone(), (output, status));
        self.forecast.paths.insert(path, found);
    }

    fn action(&mut self, body: &mut Body<'a, '_>, step: &'a Step, path: &str, blank: PathForecast) -> PathForecast {
        let before = blank.before.clone();
        let place = Place { prefix: path, before: &before };
        match &step.action {
            Action::Agent(agent) => run(agent, step.on_error, &body.scope, blank),
            Action::Child(workflow, inputs) => self.child(workflow, inputs, &body.scope, blank),
            Action::Condition(condition) => {
                let branch = branch(condition, &body.scope);
                body.taken.insert(&step.key, branch.clone());
                PathForecast { end: End::Completed(json!({ "branch": branch })), ..blank }
            }
            Action::Loop(repeat) => PathForecast { end: self.repeat(repeat, &body.scope, place), ..blank },
            Action::Fork(fork) => PathForecast { end: self.fork(fork, &body.scope, place), ..blank },
            Action::Wait(wait) => waited(wait, &body.scope, blank),
        }
    }

    fn child(
        &self,
        workflow: &str,
        inputs: &[(&'static str, Expr)],
        scope: &Scope<'_>,
        blank: PathForecast,
    ) -> PathForecast {
        let input = pattern::object(inputs.iter().map(|(key, expr)| ((*key).to_owned(), expr.evaluate(scope))));
        let child =
            self.workflows.get(workflow).map(|child| forecast(self.workflows, child, &input)).unwrap_or_default();
        let end = match child.statuses.first() {
            None => End::Never,
            Some(&"completed") => End::Completed(child.output),
            Some(_) => End::Failed(child.codes),
        };
        PathForecast { end, kind: Kind::Child { workflow: workflow.to_owned(), input }, ..blank }
    }
}

/// The attempts of an agent.
fn run(agent: &Agent, on_error: OnError, scope: &Scope<'_>, blank: PathForecast) -> PathForecast {
    const RETRIES_OF_RETRY: u16 = 3;
    let retries = if on_error == OnError::Retry && agent.retries == 0 { RETRIES_OF_RETRY } else { agent.retries };
    let (failing, code) = match agent.act {
        Act::Echo | Act::Slow(_) => (0, ""),
        Act::Flaky(times) => (times, "flaky"),
        Act::Crash(times) => (times, "crashed"),
        Act::Hang(times) => (times, "timeout"),
        Act::Fail => (u16::MAX, "refused"),
    };
    let is_final = agent.act == Act::Fail;
    let attempts = if is_final { 1 } else { failing.min(retries) + 1 };
    let end = if failing < attempts { End::Completed(agent.value.evaluate(scope)) } else { End::failed(code) };
    let delay_ms = |attempt: u16| {
        let doubled = if agent.is_fixed { agent.retry_delay_ms } else { agent.retry_delay_ms << (attempt - 1) };
        if agent.has_jitter { doubled.div_ceil(2) } else { doubled }
    };
    let kind = Kind::Agent { is_effect: agent.is_effect };
    PathForecast { end, kind, attempts, delays_ms: (1..attempts).map(delay_ms).collect(), ..blank }
}

fn waited(wait: &Wait, scope: &Scope<'_>, blank: PathForecast) -> PathForecast {
    let fired = || End::Completed(json!({ "fired_at": pattern::anything() }));
    let (end, kind) = match wait {
        Wait::Duration(ms) => (fired(), Kind::Timer(*ms)),
        Wait::Past => (fired(), Kind::Other),
        Wait::Event(name) => {
            let order = Expr::Input("order").evaluate(scope);
            (End::Completed(json!({ "order": order, "name": name })), Kind::Other)
        }
        Wait::Nothing { timeout_ms, default: Some(default) } => {
            (End::Completed(default.clone()), Kind::Timer(*timeout_ms))
        }
        Wait::Nothing { timeout_ms, default: None } => (End::failed("wait_timeout"), Kind::Timer(*timeout_ms)),
        Wait::Endless => (End::Never, Kind::Other),
        Wait::Approval { .. } => (End::Completed(pattern::anything()), Kind::Other),
    };
    PathForecast { end, kind, ..blank }
}

fn branch(condition: &Condition, scope: &Scope<'_>) -> String {
    match &condition.choice {
        Choice::If(test) => if test.holds(scope) { "then" } else { "else" }.to_owned(),
        Choice::Switch(expr) => {
            let value = expr.evaluate(scope);
            let name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let is_known = condition.branches.iter().any(|(branch, _)| *branch == name);
            if is_known { name } else { "default".to_owned() }
        }
    }
}
