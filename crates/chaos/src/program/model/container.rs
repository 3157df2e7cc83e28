//! Loops and parallel steps, in the model.

use serde_json::{Value, json};

use super::{Body, Closed, Model, Place};
use crate::program::{
    expression::Scope,
    forecast::End,
    pattern,
    shape::{Fork, ForkShape, ItemErrors, Loop, Rounds, Step},
};

/// A branch of a parallel step, before it runs.
struct Branch<'a> {
    segment: String,
    name: Option<&'a str>,
    steps: &'a [Step],
    item: Option<(Value, u64)>,
}

impl<'a> Model<'a> {
    pub(super) fn repeat(&mut self, repeat: &'a Loop, scope: &Scope<'_>, place: Place<'_>) -> End {
        let items = match &repeat.rounds {
            Rounds::Items(items) => Some(items.evaluate(scope).as_array().cloned().unwrap_or_default()),
            Rounds::While(_) => None,
        };
        let mut results: Vec<Value> = Vec::new();
        let mut last = Scope { outer: Some(scope), ..Scope::default() };
        loop {
            let number = results.len();
            let count = u64::try_from(number).unwrap_or(u64::MAX);
            let item = match (&repeat.rounds, &items) {
                (Rounds::While(test), _) => {
                    last.iteration = Some(count + 1);
                    test.holds(&last).then_some(None)
                }
                (Rounds::Items(_), items) => items.iter().flatten().nth(number).cloned().map(Some),
            };
            let Some(item) = item else { break };
            if count >= repeat.max_iterations {
                return End::failed("loop_limit");
            }
            let round =
                Scope { outer: Some(scope), item, index: Some(count), iteration: Some(count + 1), ..Scope::default() };
            let prefix = format!("{}[{number}].", place.prefix);
            let mut body = Body::new(&repeat.body, round);
            match self.body(&mut body, Place { prefix: &prefix, before: place.before }) {
                Closed::Done(output) => results.push(output),
                Closed::Failed(codes) => return End::Failed(codes),
                Closed::Never => return End::Never,
            }
            if repeat.break_if.as_ref().is_some_and(|test| test.holds(&body.scope)) {
                break;
            }
            last = body.scope;
        }
        End::Completed(json!({ "iterations": results.len(), "results": results }))
    }

    pub(super) fn fork(&mut self, fork: &'a Fork, scope: &Scope<'_>, place: Place<'_>) -> End {
        let branches = branches(fork, scope);
        let width = branches.len();
        let mut ended = Vec::new();
        for branch in &branches {
            let prefix = format!("{}{}.", place.prefix, branch.segment);
            let (item, index) = branch.item.clone().unzip();
            let inner = Scope { outer: Some(scope), item, index, ..Scope::default() };
            let mut body = Body::new(branch.steps, inner);
            ended.push(match self.body(&mut body, Place { prefix: &prefix, before: place.before }) {
                Closed::Done(output) => Ok(output),
                Closed::Failed(codes) => Err(codes),
                Closed::Never => return End::Never,
            });
        }
        let failed: Vec<usize> = (0..width).filter(|n| ended.get(*n).is_some_and(Result::is_err)).collect();
        if fork.on_item_error == ItemErrors::Fail && !failed.is_empty() {
            for (number, branch) in branches.iter().enumerate() {
                if failed != [number] {
                    self.forecast.soften(&format!("{}{}", place.prefix, branch.segment));
                }
            }
            return End::Failed(ended.into_iter().filter_map(Result::err).flatten().collect());
        }
        let needed = fork.wait_for.map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let completed = width - failed.len();
        if needed.is_some_and(|needed| completed < needed.min(width)) {
            return End::failed("too_few_branches");
        }
        let named = branches.iter().zip(ended).filter_map(|(branch, result)| {
            let kept = match (result, fork.on_item_error) {
                (Ok(output), _) => Some(output),
                (Err(_), ItemErrors::Null) => Some(Value::Null),
                (Err(_), _) => None,
            };
            Some((branch.name, kept?))
        });
        let output = match &fork.shape {
            ForkShape::Map { .. } => Value::Array(named.map(|(_, output)| output).collect()),
            ForkShape::Branches(_) => {
                pattern::object(named.filter_map(|(name, output)| Some((name?.to_owned(), output))))
            }
        };
        let Some(needed) = needed.filter(|needed| *needed.min(&width) > 0) else { return End::Completed(output) };
        // Which of them are first is open, and the others are cut short.
        for branch in &branches {
            self.forecast.soften(&format!("{}{}", place.prefix, branch.segment));
        }
        End::Completed(pattern::some_of(output, needed.min(width)))
    }
}

fn branches<'a>(fork: &'a Fork, scope: &Scope<'_>) -> Vec<Branch<'a>> {
    match &fork.shape {
        ForkShape::Branches(branches) => branches
            .iter()
            .map(|(name, steps)| Branch { segment: format!(".{name}"), name: Some(name), steps, item: None })
            .collect(),
        ForkShape::Map { items, body, .. } => {
            let items = items.evaluate(scope).as_array().cloned().unwrap_or_default();
            let numbered = items.into_iter().zip(0_u64..);
            let branch = |(item, n): (Value, u64)| Branch {
                segment: format!("[{n}]"),
                name: None,
                steps: body,
                item: Some((item, n)),
            };
            numbered.map(branch).collect()
        }
    }
}
