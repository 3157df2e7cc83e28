//! Random workflows: every type of step, nested, joined and failing in many ways.

pub(super) mod leaf;

use super::{
    expression::{Expr, Test},
    random::Random,
    shape::{
        Action, Choice, Condition, Fork, ForkShape, ItemErrors, Join, Loop, OnError, Rounds, Step, Workflow,
        dependencies,
    },
};

/// What a generated workflow is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style<'a> {
    /// How many steps it has outside of bodies.
    pub(super) steps: u64,
    /// How deep bodies nest.
    pub(super) depth: u64,
    /// The workflows that it may run.
    pub(super) children: &'a [&'a str],
    /// The event that it waits for, if it waits for one.
    pub(super) event: Option<&'static str>,
    /// How often a step fails for good, in a hundred.
    pub(super) failures: u64,
}

/// Makes a workflow.
pub(super) fn workflow(name: &str, style: Style<'_>, random: Random) -> Workflow {
    let mut maker = Maker { random, style, keys: 0 };
    let steps = maker.body(style.steps, 0, &Sight::default());
    let output = if maker.random.percent(30) { None } else { Some(output(&steps)) };
    let max_parallel_steps = if maker.random.percent(30) { 2 } else { 16 };
    Workflow { name: name.to_owned(), steps, output, timeout_ms: None, max_parallel_steps }
}

struct Maker<'a> {
    random: Random,
    style: Style<'a>,
    keys: u64,
}

/// What the expressions of a body may use.
#[derive(Debug, Clone, Default)]
struct Sight {
    /// Steps whose output is a number, whatever happens.
    numbers: Vec<String>,
    /// Steps whose output is known, but may be null.
    known: Vec<String>,
    has_item: bool,
    has_round: bool,
}

impl Maker<'_> {
    fn key(&mut self) -> String {
        self.keys += 1;
        format!("s{}", self.keys)
    }

    /// Steps, each depending on some before it.
    fn body(&mut self, count: u64, depth: u64, outer: &Sight) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for n in 0..count {
            if n + 2 <= count && self.random.percent(18) {
                self.add_condition(&mut steps, outer);
            }
            self.add_step(&mut steps, depth, outer);
        }
        steps
    }

    fn add_step(&mut self, steps: &mut Vec<Step>, depth: u64, outer: &Sight) {
        let depends_on = self.depends_on(steps);
        let sight = sight(steps, &depends_on, outer);
        let action = self.action(depth, &sight);
        let join = self.join(steps, &depends_on);
        let guard = self.random.percent(10).then(|| self.test(&sight));
        let on_error = self.on_error(&action);
        steps.push(Step { key: self.key(), depends_on, join, guard, on_error, action });
    }

    /// A condition, and the steps that it decides about.
    fn add_condition(&mut self, steps: &mut Vec<Step>, outer: &Sight) {
        let depends_on = self.depends_on(steps);
        let sight = sight(steps, &depends_on, outer);
        let join = self.join(steps, &depends_on);
        let names: &[&str] = if self.random.percent(50) { &["then", "else"] } else { &["red", "green", "default"] };
        let mut branches = Vec::new();
        let mut decided = Vec::new();
        for name in names {
            let mut keys = Vec::new();
            for _ in 0..self.random.between(0, 2) {
                let action = self.simple(&sight);
                let on_error = self.on_error(&action);
                let key = self.key();
                keys.push(key.clone());
                decided.push(Step {
                    key,
                    depends_on: Vec::new(),
                    join: Join::AllSuccess,
                    guard: None,
                    on_error,
                    action,
                });
            }
            branches.push(((*name).to_owned(), keys));
        }
        // One that several branches name runs if any of them is taken.
        if self.random.percent(30)
            && let [(_, first), (_, second), ..] = branches.as_mut_slice()
            && let Some(shared) = first.first()
        {
            second.push(shared.clone());
        }
        let choice =
            if names.contains(&"then") { Choice::If(self.test(&sight)) } else { Choice::Switch(Expr::Input("colour")) };
        let action = Action::Condition(Condition { choice, branches });
        steps.push(Step { key: self.key(), depends_on, join, guard: None, on_error: OnError::Fail, action });
        steps.extend(decided);
    }

    /// Up to three of the steps so far.
    fn depends_on(&mut self, steps: &[Step]) -> Vec<String> {
        let mut chosen: Vec<String> = Vec::new();
        let wanted = match self.random.between(0, 9) {
            0 | 1 => 0,
            2..=6 => 1,
            7 | 8 => 2,
            _ => 3,
        };
        for _ in 0..wanted {
            // Mostly the last ones, so that chains come about.
            let from = if self.random.percent(60) { steps.len().saturating_sub(2) } else { 0 };
            if let Some(step) = self.random.pick(steps.get(from..).unwrap_or_default())
                && !chosen.contains(&step.key)
            {
                chosen.push(step.key.clone());
            }
        }
        chosen
    }

    /// Steps of different branches are never all run: who waits for several that may be skipped does not ask for it.
    fn join(&mut self, steps: &[Step], depends_on: &[String]) -> Join {
        let loose = [Join::NoneFailed, Join::OneSuccess, Join::AllDone];
        let decided = depends_on.iter().filter(|key| is_decided(steps, key)).count();
        if (decided > 0 && depends_on.len() > 1) || self.random.percent(25) {
            self.random.pick(&loose).copied().unwrap_or(Join::AllDone)
        } else {
            Join::AllSuccess
        }
    }

    fn on_error(&mut self, action: &Action) -> OnError {
        match self.random.between(0, 9) {
            0..=2 => OnError::Continue,
            3 if matches!(action, Action::Agent(_)) => OnError::Retry,
            _ => OnError::Fail,
        }
    }

    fn action(&mut self, depth: u64, sight: &Sight) -> Action {
        let nests = depth < self.style.depth;
        match self.random.between(0, 99) {
            0..=9 if nests => self.items_loop(depth, sight),
            10..=15 if nests => self.while_loop(depth),
            16..=27 if nests => self.map(depth, sight),
            28..=37 if nests => self.branches(depth, sight),
            38..=52 if depth == 0 => self.child(sight),
            53..=65 => self.wait(depth),
            _ => self.simple(sight),
        }
    }

    fn items_loop(&mut self, depth: u64, sight: &Sight) -> Action {
        let inner = Sight { has_item: true, has_round: true, ..sight.clone() };
        let max_iterations = if self.random.percent(8) { 1 } else { 8 };
        let break_if = self.random.percent(25).then_some(Test::Above(Expr::Item, 6));
        let body = self.inner(depth, &inner);
        Action::Loop(Loop { rounds: Rounds::Items(Expr::Input("list")), max_iterations, break_if, body })
    }

    fn while_loop(&mut self, depth: u64) -> Action {
        let rounds = i64::try_from(self.random.between(0, 3)).unwrap_or(0);
        let inner = Sight { has_round: true, ..Sight::default() };
        let max_iterations = if self.random.percent(8) { 1 } else { 8 };
        let mut body = self.inner(depth, &inner);
        let rounds = if self.random.percent(50) {
            let poll = self.poll();
            let key = poll.key.clone();
            body.push(poll);
            Rounds::While(Test::Poll(key, rounds))
        } else {
            Rounds::While(Test::AtMost(Expr::Iteration, rounds))
        };
        Action::Loop(Loop { rounds, max_iterations, break_if: None, body })
    }

    fn map(&mut self, depth: u64, sight: &Sight) -> Action {
        let inner = Sight { has_item: true, ..sight.clone() };
        let body = self.inner(depth, &inner);
        let max_concurrency = self.random.percent(40).then(|| self.random.between(1, 3));
        let shape = ForkShape::Map { items: Expr::Input("list"), body, max_concurrency };
        self.fork(shape)
    }

    fn branches(&mut self, depth: u64, sight: &Sight) -> Action {
        let names = ["left", "right", "middle"];
        let count = usize::try_from(self.random.between(1, 3)).unwrap_or(1);
        let branches = names.iter().take(count).map(|name| ((*name).to_owned(), self.inner(depth, sight))).collect();
        self.fork(ForkShape::Branches(branches))
    }

    fn fork(&mut self, shape: ForkShape) -> Action {
        let wait_for = self.random.percent(12).then(|| self.random.between(1, 2));
        let errors = [ItemErrors::Fail, ItemErrors::Null, ItemErrors::Drop];
        // Which is first, a failure or enough that completed, would be a race.
        let errors = errors.get(usize::from(wait_for.is_some())..).unwrap_or_default();
        let on_item_error = self.random.pick(errors).copied().unwrap_or(ItemErrors::Null);
        Action::Fork(Fork { shape, on_item_error, wait_for })
    }

    fn inner(&mut self, depth: u64, sight: &Sight) -> Vec<Step> {
        let count = self.random.between(1, 2);
        self.body(count, depth + 1, sight)
    }
}

/// What a workflow returns: of its steps, those whose output nothing decides but the input.
fn output(steps: &[Step]) -> Vec<(String, Expr)> {
    let known = steps.iter().filter(|step| has_known_output(step));
    let fields = known.map(|step| (step.key.clone(), Expr::Output(step.key.clone())));
    std::iter::once(("n".to_owned(), Expr::Input("n"))).chain(fields).collect()
}

/// What a step sees that depends on these.
fn sight(steps: &[Step], depends_on: &[String], outer: &Sight) -> Sight {
    let mut sight = outer.clone();
    for step in depends_on.iter().filter_map(|key| steps.iter().find(|step| step.key == *key)) {
        if leaf::gives_a_number(steps, step) {
            sight.numbers.push(step.key.clone());
        }
        if has_known_output(step) {
            sight.known.push(step.key.clone());
        }
    }
    sight
}

/// Whether the output of a step is decided by the input alone.
fn has_known_output(step: &Step) -> bool {
    match &step.action {
        Action::Agent(_) | Action::Condition(_) => true,
        Action::Loop(repeat) => repeat.body.iter().all(has_known_output),
        Action::Fork(fork) => {
            fork.wait_for.is_none() && step.action.bodies().into_iter().flatten().all(has_known_output)
        }
        Action::Child(..) | Action::Wait(_) => false,
    }
}

/// Whether a step may be skipped because of a condition, or because of what it depends on.
fn is_decided(steps: &[Step], key: &str) -> bool {
    let Some(step) = steps.iter().find(|step| step.key == key) else { return false };
    let needed = dependencies(steps, step);
    needed.len() > step.depends_on.len() || needed.iter().any(|key| is_decided(steps, key))
}
