//! How the steps of a document hang together: what is in whose body, and what waits for what.

use std::collections::{BTreeMap, BTreeSet};

use super::{action::StepAction, graph, reader::Sink, step::Step};
use crate::{
    limits::{BODY_DEPTH_MAX, EDGES_MAX, STEP_DEPENDENCIES_MAX},
    value::{StepKey, nearest},
    workflow_step::JoinRule,
};

/// A step and its place in the list of steps.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) position: usize,
    pub(super) step: Step,
}

impl Placed {
    pub(super) fn path(&self, key: &str) -> String {
        format!("steps[{}].{key}", self.position)
    }

    fn key(&self) -> &str {
        self.step.key.as_str()
    }
}

/// The body that a step is in: its container, and which of the container's bodies; `None` for the root.
type Home = Option<(usize, usize)>;

/// How the steps hang together.
pub(super) struct Structure<'a> {
    pub(super) steps: &'a [Placed],
    index: BTreeMap<&'a str, usize>,
    homes: Vec<Home>,
    dependencies: Vec<BTreeSet<usize>>,
    upstream: Vec<BTreeSet<usize>>,
    sink: &'a Sink,
}

impl<'a> Structure<'a> {
    /// Finds out, and notes everything that is wrong.
    pub(super) fn of(steps: &'a [Placed], unreadable: &BTreeSet<String>, sink: &'a Sink) -> Self {
        let count = steps.len();
        let mut structure = Self {
            steps,
            index: BTreeMap::new(),
            homes: vec![None; count],
            dependencies: vec![BTreeSet::new(); count],
            upstream: Vec::new(),
            sink,
        };
        structure.index_keys();
        let resolver = Resolver { unreadable };
        structure.find_homes(&resolver);
        structure.refuse_buried_bodies();
        structure.connect(&resolver);
        structure.connect_branches(&resolver);
        structure.refuse_size();
        structure.refuse_cycles();
        structure.upstream = graph::upstream(&structure.dependencies);
        structure.refuse_exclusive_dependencies();
        structure
    }

    pub(super) fn find(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// The containers around a step, innermost first.
    pub(super) fn containers(&self, step: usize) -> impl Iterator<Item = usize> {
        let container = |step: usize| self.homes.get(step).copied().flatten().map(|(container, _)| container);
        // A container in its own body is refused, and must not make this endless.
        std::iter::successors(container(step), move |outer| container(*outer)).take(self.steps.len())
    }

    /// Whether a step ends before another begins.
    pub(super) fn is_before(&self, earlier: usize, later: usize) -> bool {
        std::iter::once(later)
            .chain(self.containers(later))
            .any(|step| self.upstream.get(step).is_some_and(|upstream| upstream.contains(&earlier)))
    }

    fn index_keys(&mut self) {
        for (at, placed) in self.steps.iter().enumerate() {
            if let Some(first) = self.index.get(placed.key()) {
                let first = self.steps.get(*first).map_or(0, |first| first.position);
                let message = format!("`{}` is the key of steps[{first}] already", placed.key());
                self.sink.add("duplicate_key", placed.path("key"), message);
            } else {
                self.index.insert(placed.key(), at);
            }
        }
    }

    fn find_homes(&mut self, resolver: &Resolver<'_>) {
        for (container, placed) in self.steps.iter().enumerate() {
            for (body, (place, keys)) in placed.step.action.bodies().into_iter().enumerate() {
                let path = placed.path(&place);
                for key in keys {
                    let Some(step) = resolver.find(self, key, &path) else { continue };
                    let home = self.homes.get(step).copied().flatten();
                    if step == container {
                        self.sink.add("step_in_own_body", &path, format!("`{key}` cannot be in its own body"));
                    } else if let Some((other, _)) = home {
                        let other = self.steps.get(other).map_or("", Placed::key);
                        let message = format!("`{key}` is in the body of `{other}` already; a step has one place");
                        self.sink.add("step_of_two_bodies", &path, message);
                    } else if let Some(home) = self.homes.get_mut(step) {
                        *home = Some((container, body));
                    }
                }
            }
        }
    }

    /// Bodies that nest too deeply, or in a circle: those are reached by nothing.
    fn refuse_buried_bodies(&self) {
        for (step, placed) in self.steps.iter().enumerate() {
            if placed.step.action.bodies().is_empty() {
                continue;
            }
            let around: Vec<usize> = self.containers(step).collect();
            let path = placed.path("config");
            if around.contains(&step) {
                let message =
                    format!("`{}` is inside of its own body, through others: nothing reaches it", placed.key());
                self.sink.add("unreachable_step", path, message);
            } else if around.len() == BODY_DEPTH_MAX {
                let message = format!("bodies may nest {BODY_DEPTH_MAX} deep, this one is one deeper");
                self.sink.add("nesting_too_deep", path, message);
            }
        }
    }

    fn connect(&mut self, resolver: &Resolver<'_>) {
        for (step, placed) in self.steps.iter().enumerate() {
            for key in &placed.step.depends_on {
                let path = placed.path("depends_on");
                let Some(dependency) = resolver.find(self, key, &path) else { continue };
                if dependency == step {
                    self.sink.add("dependency_on_itself", path, format!("`{key}` cannot wait for itself"));
                } else if self.homes.get(dependency) != self.homes.get(step) {
                    self.sink.add("dependency_across_body", path, self.across_body(step, dependency));
                } else if let Some(dependencies) = self.dependencies.get_mut(step) {
                    dependencies.insert(dependency);
                }
            }
        }
    }

    /// Says what to depend on instead of a step of another body.
    fn across_body(&self, step: usize, dependency: usize) -> String {
        let name = |step: usize| self.steps.get(step).map_or("", Placed::key);
        let home = self.homes.get(step).copied().flatten();
        let sibling =
            self.containers(dependency).find(|container| self.homes.get(*container).copied().flatten() == home);
        let (step, dependency) = (name(step), name(dependency));
        match (sibling, home) {
            (Some(sibling), _) if name(sibling) != step => {
                let sibling = name(sibling);
                format!("`{dependency}` is in a body of `{sibling}`, and `{step}` is not; depend on `{sibling}`")
            }
            (_, Some((container, _))) => {
                let container = name(container);
                format!(
                    "`{step}` is in a body of `{container}`, and `{dependency}` is not; if `{container}` depends on it, all of its body does"
                )
            }
            _ => format!("`{dependency}` is in a body of `{step}`, and so runs within it"),
        }
    }

    /// A step that a condition names waits for the condition.
    fn connect_branches(&mut self, resolver: &Resolver<'_>) {
        let before = graph::upstream(&self.dependencies);
        for (condition, placed) in self.steps.iter().enumerate() {
            let StepAction::Condition(action) = &placed.step.action else { continue };
            for (branch, keys) in &action.branches {
                let path = placed.path(&action.place_of(branch));
                for key in keys {
                    let Some(step) = resolver.find(self, key, &path) else { continue };
                    if step == condition {
                        self.sink.add("branch_of_itself", &path, format!("`{key}` cannot decide about itself"));
                    } else if self.homes.get(step) != self.homes.get(condition) {
                        let message = format!(
                            "`{key}` is in another body than `{}`; a condition decides about its own",
                            placed.key()
                        );
                        self.sink.add("branch_across_body", &path, message);
                    } else if before.get(condition).is_some_and(|before| before.contains(&step)) {
                        let message =
                            format!("`{key}` ends before `{}` begins, which cannot decide about it", placed.key());
                        self.sink.add("branch_upstream", &path, message);
                    } else if let Some(dependencies) = self.dependencies.get_mut(step) {
                        dependencies.insert(condition);
                    }
                }
            }
        }
    }

    fn refuse_size(&self) {
        for (placed, dependencies) in self.steps.iter().zip(&self.dependencies) {
            let count = dependencies.len().max(placed.step.depends_on.len());
            if count > STEP_DEPENDENCIES_MAX {
                let message = format!("a step may wait for {STEP_DEPENDENCIES_MAX} others, this one waits for {count}");
                self.sink.add("dag_too_large", placed.path("depends_on"), message);
            }
        }
        let edges: usize = self.dependencies.iter().map(BTreeSet::len).sum();
        if edges > EDGES_MAX {
            let message = format!("a workflow may have {EDGES_MAX} dependencies in all, this one has {edges}");
            self.sink.add("dag_too_large", "steps", message);
        }
    }

    fn refuse_cycles(&self) {
        for cycle in graph::cycles(&self.dependencies) {
            let members: Vec<&Placed> =
                cycle.iter().chain(cycle.first()).filter_map(|step| self.steps.get(*step)).collect();
            let keys: Vec<&str> = members.iter().map(|placed| placed.key()).collect();
            let path = members.first().map(|placed| placed.path("depends_on")).unwrap_or_default();
            self.sink.add("dag_cycle", path, format!("these steps wait for one another: {}", keys.join(" -> ")));
        }
    }

    /// A step that needs two branches of one condition never runs.
    fn refuse_exclusive_dependencies(&self) {
        let mut needs: Vec<Needs<'_>> = vec![Needs::new(); self.steps.len()];
        for step in graph::topological_order(&self.dependencies) {
            let Some(placed) = self.steps.get(step) else { continue };
            let dependencies = self.dependencies.get(step).into_iter().flatten();
            let mut own = Needs::new();
            for &dependency in dependencies {
                own = self.with_branches(own, dependency, step);
                if placed.step.join == JoinRule::AllSuccess {
                    let theirs = needs.get(dependency).cloned().unwrap_or_default();
                    own = both(own, theirs);
                }
            }
            if let Some((condition, _)) = own.iter().find(|(_, branches)| branches.is_empty()) {
                let condition = self.steps.get(*condition).map_or("", Placed::key);
                let message = format!(
                    "`{}` never runs: it waits for steps of different branches of `{condition}`, of which only one is taken; write `join: none_failed`",
                    placed.key()
                );
                self.sink.add("unreachable_step", placed.path("depends_on"), message);
                // Said once: what waits for it is not to blame.
                own.retain(|_, branches| !branches.is_empty());
            }
            if let Some(needs) = needs.get_mut(step) {
                *needs = own;
            }
        }
    }

    /// Adds that a step runs only in the branches of a condition that name it.
    fn with_branches(&self, needs: Needs<'a>, condition: usize, step: usize) -> Needs<'a> {
        let (Some(decider), Some(placed)) = (self.steps.get(condition), self.steps.get(step)) else { return needs };
        let StepAction::Condition(action) = &decider.step.action else { return needs };
        let naming = action.branches.iter().filter(|(_, keys)| keys.contains(&placed.step.key));
        let branches: BTreeSet<&str> = naming.map(|(branch, _)| branch.as_str()).collect();
        if branches.is_empty() { needs } else { both(needs, Needs::from([(condition, branches)])) }
    }
}

/// For conditions, by index: in which of their branches a step can run.
type Needs<'a> = BTreeMap<usize, BTreeSet<&'a str>>;

fn both<'a>(one: Needs<'a>, other: Needs<'a>) -> Needs<'a> {
    let mut needs = one;
    for (condition, branches) in other {
        match needs.get_mut(&condition) {
            Some(known) => known.retain(|branch| branches.contains(branch)),
            None => drop(needs.insert(condition, branches)),
        }
    }
    needs
}

/// Finds steps by their keys.
struct Resolver<'a> {
    /// Keys of steps that are there, but cannot be read: naming them is no further problem.
    unreadable: &'a BTreeSet<String>,
}

impl Resolver<'_> {
    fn find(&self, structure: &Structure<'_>, key: &StepKey, path: &str) -> Option<usize> {
        let found = structure.find(key.as_str());
        if found.is_none() && !self.unreadable.contains(key.as_str()) {
            structure.sink.add("unknown_step", path, unknown_step(key.as_str(), structure));
        }
        found
    }
}

/// Says that there is no such step, and which was meant.
pub(super) fn unknown_step(key: &str, structure: &Structure<'_>) -> String {
    let hint = nearest(key, structure.index.keys().copied());
    let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("there is no step `{key}`{hint}")
}
