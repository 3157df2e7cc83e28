//! The steps without a body: agents, waits, child workflows; and what they compute.

use serde_json::json;

use super::{Maker, Sight};
use crate::program::{
    expression::{Expr, Test},
    shape::{Act, Action, Agent, Join, OnError, Step, Wait, deciders},
    write::AGENTS,
};

/// Whether a step answers with a number whatever happens: it cannot fail, and cannot be skipped.
pub(super) fn gives_a_number(steps: &[Step], step: &Step) -> bool {
    let Action::Agent(agent) = &step.action else { return false };
    let is_number = match &agent.value {
        Expr::Plus(..) | Expr::Index | Expr::Iteration => true,
        Expr::Constant(value) => value.is_number(),
        Expr::Input(_) | Expr::Output(_) | Expr::Item => false,
    };
    let is_safe = is_number && matches!(agent.act, Act::Echo | Act::Slow(_));
    is_safe && step.guard.is_none() && step.depends_on.is_empty() && deciders(steps, &step.key).next().is_none()
}

/// Runs another workflow, with an input of the same kind and a number that is so much more.
pub(in crate::program) fn child(workflow: &str, more: i64) -> Action {
    let inputs = vec![
        ("n", Expr::Plus(Box::new(Expr::Input("n")), more)),
        ("order", Expr::Input("order")),
        ("list", Expr::Input("list")),
        ("colour", Expr::Input("colour")),
    ];
    Action::Child(workflow.to_owned(), inputs)
}

/// An agent that changes the world outside, and is tried again once.
pub(in crate::program) fn flaky() -> Action {
    let [(wide, _), _] = AGENTS;
    Action::Agent(Agent {
        name: wide,
        act: Act::Flaky(1),
        value: Expr::Input("n"),
        is_effect: true,
        retries: 2,
        retry_delay_ms: 200,
        is_fixed: false,
        has_jitter: true,
        timeout_ms: None,
    })
}

impl Maker<'_> {
    /// An agent.
    pub(super) fn simple(&mut self, sight: &Sight) -> Action {
        let act = self.act();
        let [(wide, _), (narrow, _)] = AGENTS;
        let agent = Agent {
            name: if self.random.percent(10) { narrow } else { wide },
            act,
            value: self.value(sight),
            is_effect: self.random.percent(50),
            retries: u16::try_from(self.random.between(0, 2)).unwrap_or(0),
            retry_delay_ms: self.random.between(50, 600),
            is_fixed: self.random.percent(40),
            has_jitter: self.random.percent(60),
            timeout_ms: matches!(act, Act::Hang(_)).then_some(1_500),
        };
        Action::Agent(agent)
    }

    fn act(&mut self) -> Act {
        let failures = self.style.failures;
        let times = u16::try_from(self.random.between(1, 2)).unwrap_or(1);
        match self.random.between(0, 99) {
            n if n < failures => Act::Fail,
            // Mostly short, now and then long enough for a fault to come in between.
            n if n < failures + 15 => Act::Slow(self.random.between(50, 400)),
            n if n < failures + 19 => Act::Slow(self.random.between(400, 3_000)),
            n if n < failures + 33 => Act::Flaky(times),
            n if n < failures + 36 => Act::Crash(times),
            n if n < failures + 38 => Act::Hang(1),
            _ => Act::Echo,
        }
    }

    /// A step that answers with the number of its round.
    pub(super) fn poll(&mut self) -> Step {
        let [(wide, _), _] = AGENTS;
        let agent = Agent {
            name: wide,
            act: Act::Echo,
            value: Expr::Iteration,
            is_effect: true,
            retries: 0,
            retry_delay_ms: 100,
            is_fixed: false,
            has_jitter: true,
            timeout_ms: None,
        };
        Step {
            key: self.key(),
            depends_on: Vec::new(),
            join: Join::AllSuccess,
            guard: None,
            on_error: OnError::Fail,
            action: Action::Agent(agent),
        }
    }

    pub(super) fn wait(&mut self, depth: u64) -> Action {
        let is_outside = depth == 0;
        Action::Wait(match self.random.between(0, 9) {
            0 | 1 if is_outside && self.style.event.is_some() => self.event(),
            2 if is_outside => Wait::Approval { timeout_ms: self.random.between(800, 2_500) },
            // Long enough to be written out of memory.
            3 if is_outside => Wait::Duration(self.random.between(5_500, 7_000)),
            4 => Wait::Past,
            5 => Wait::Nothing { timeout_ms: self.random.between(100, 1_200), default: Some(json!("nothing")) },
            6 => Wait::Nothing { timeout_ms: self.random.between(100, 900), default: None },
            _ => Wait::Duration(self.random.between(20, 900)),
        })
    }

    fn event(&self) -> Wait {
        self.style.event.map_or(Wait::Past, Wait::Event)
    }

    /// Another workflow, with the same kind of input.
    pub(super) fn child(&mut self, sight: &Sight) -> Action {
        let Some(workflow) = self.random.pick(self.style.children).copied() else { return self.simple(sight) };
        let more = i64::try_from(self.random.between(0, 3)).unwrap_or(0);
        child(workflow, more)
    }

    fn value(&mut self, sight: &Sight) -> Expr {
        let number = self.number(sight);
        match self.random.between(0, 9) {
            0 => Expr::Constant(json!({ "text": "ä", "list": [1, null, true] })),
            1 if !sight.known.is_empty() => {
                self.random.pick(&sight.known).map_or(number, |key| Expr::Output(key.clone()))
            }
            2 => Expr::Input("list"),
            _ => number,
        }
    }

    fn number(&mut self, sight: &Sight) -> Expr {
        let more = i64::try_from(self.random.between(0, 9)).unwrap_or(0);
        let base = match self.random.between(0, 5) {
            0 if sight.has_item => Expr::Item,
            1 if sight.has_item => Expr::Index,
            2 if sight.has_round => Expr::Iteration,
            3 | 4 if !sight.numbers.is_empty() => {
                self.random.pick(&sight.numbers).map_or(Expr::Input("n"), |key| Expr::Output(key.clone()))
            }
            5 => return Expr::number(more),
            _ => Expr::Input("n"),
        };
        Expr::Plus(Box::new(base), more)
    }

    pub(super) fn test(&mut self, sight: &Sight) -> Test {
        let bound = i64::try_from(self.random.between(0, 9)).unwrap_or(0);
        match self.random.between(0, 4) {
            0 if sight.has_item => Test::Above(Expr::Item, bound / 2),
            1 if !sight.known.is_empty() => {
                let key = self.random.pick(&sight.known).cloned().unwrap_or_default();
                Test::Status(key, "completed")
            }
            2 => Test::Remainder { of: Expr::Input("n"), by: 2, is: 0 },
            3 => Test::AtMost(Expr::Input("n"), bound),
            _ => Test::Above(Expr::Input("n"), bound / 2),
        }
    }
}
