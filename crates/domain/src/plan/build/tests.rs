//! Plans: dependencies, bodies and policies as they are compiled.

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;

fn document(steps: &Value) -> Document {
    Document::parse(
        &json!({"name": "w", "output": {"x": "${{ input.x }}"}, "settings": {"max_parallel_steps": 5}, "steps": steps}),
    )
    .unwrap_or_else(|problems| panic!("{problems}"))
}

fn bindings(document: &Document) -> BTreeMap<StepKey, StepBinding> {
    let binding = |n| StepBinding {
        workflow_step_id: WorkflowStepId::from_uuid(Uuid::from_u128(n)),
        agent_id: Some(AgentId::from_uuid(Uuid::from_u128(7))),
    };
    document.steps().iter().map(|step| step.key.clone()).zip((1..).map(binding)).collect()
}

fn compile(steps: &Value) -> Plan {
    let document = document(steps);
    let plan = Plan::compile(&document, &bindings(&document)).unwrap();
    assert_eq!(document.steps_total(), plan.steps_total());
    plan
}

fn keys(plan: &Plan, steps: &[StepIndex]) -> Vec<String> {
    steps.iter().map(|step| plan.step(*step).key.to_string()).collect()
}

fn step<'a>(plan: &'a Plan, key: &str) -> &'a PlanStep {
    plan.step(plan.find(key).unwrap())
}

fn agent(key: &str, depends_on: &[&str]) -> Value {
    json!({"key": key, "type": "agent", "agent": "a", "depends_on": depends_on})
}

/// What the documentation of the plan promises.
fn assert_invariants(plan: &Plan) {
    let indices = || (0..).map(StepIndex).zip(plan.steps());
    for (index, step) in indices() {
        let body = plan.body(step.body);
        assert_eq!(body.steps.get(step.position as usize), Some(&index), "a step is where it says");
        for dependency in &step.dependencies {
            assert_eq!(plan.step(*dependency).body, step.body, "a dependency is in the same body");
            assert!(plan.step(*dependency).dependents.contains(&index), "edges go both ways");
        }
        for dependent in &step.dependents {
            assert!(plan.step(*dependent).dependencies.contains(&index), "edges go both ways");
        }
        assert_eq!(body.sinks.contains(&index), step.dependents.is_empty(), "a sink has no dependents");
        let mut once = step.dependencies.clone();
        once.dedup();
        assert_eq!(once, step.dependencies, "a dependency is there once");
        if let Action::Condition(condition) = &step.action {
            for named in condition.branches.iter().flat_map(|(_, steps)| steps) {
                assert!(plan.step(*named).dependencies.contains(&index), "what a condition names depends on it");
            }
        }
    }
    let places: usize =
        (0..).map(BodyIndex).map_while(|index| plan.bodies.get(index.0 as usize)).map(|body| body.steps.len()).sum();
    assert_eq!(places, plan.steps().len(), "each step has one place");
}

#[test]
fn a_plan_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Plan>();
}

#[test]
fn a_named_step_depends_on_its_condition_once() {
    let plan = compile(&json!([
        {"key": "c", "type": "condition", "config": {"if": "input.x", "then": ["yes"], "else": ["no"]}},
        agent("yes", &["c"]), agent("no", &[])
    ]));

    assert_invariants(&plan);
    assert_eq!(keys(&plan, &step(&plan, "yes").dependencies), ["c"]);
    assert_eq!(keys(&plan, &step(&plan, "no").dependencies), ["c"]);
    assert_eq!(keys(&plan, &step(&plan, "c").dependents), ["yes", "no"]);
}

#[test]
fn bodies_have_their_steps_positions_and_sinks() {
    let plan = compile(&json!([
        {"key": "l", "type": "loop", "config": {"while": "iteration < 3", "max_iterations": 4, "body": ["b", "a"], "break_if": "true"}},
        agent("a", &[]), agent("b", &["a"]),
        {"key": "p", "type": "parallel", "depends_on": ["l"], "config": {"branches": {"y": ["c"], "x": ["d"]}}},
        agent("d", &[]), agent("c", &[]),
        {"key": "m", "type": "parallel", "config": {"items": [1], "body": ["e"]}},
        agent("e", &[])
    ]));

    assert_invariants(&plan);
    let Action::Loop(action) = &step(&plan, "l").action else { panic!("a loop") };
    let body = plan.body(action.body);
    assert_eq!(
        (keys(&plan, &body.steps), keys(&plan, &body.sinks)),
        (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()])
    );
    assert_eq!(body.owner, plan.find("l"));
    assert_eq!((step(&plan, "a").position, step(&plan, "b").position), (0, 1));
    assert!(matches!(action.source, LoopSource::While(_)) && action.break_if.is_some() && action.max_iterations == 4);
    let Action::Parallel(action) = &step(&plan, "p").action else { panic!("a parallel step") };
    let ParallelShape::Branches(branches) = &action.shape else { panic!("branches") };
    let branches: Vec<_> =
        branches.iter().map(|(name, body)| (name.as_str(), keys(&plan, &plan.body(*body).steps))).collect();
    assert_eq!(branches, [("x", vec!["d".to_owned()]), ("y", vec!["c".to_owned()])]);
    let Action::Parallel(ParallelAction { shape: ParallelShape::Map { max_concurrency, .. }, .. }) =
        &step(&plan, "m").action
    else {
        panic!("a map")
    };
    assert_eq!(*max_concurrency, 5, "as many as the settings allow");
    assert_eq!(keys(&plan, &plan.body(BodyIndex::ROOT).steps), ["l", "p", "m"]);
    assert_eq!(keys(&plan, &plan.body(BodyIndex::ROOT).sinks), ["p", "m"]);
}

#[test]
fn a_container_counts_as_one_step_with_all_of_its_body() {
    let plan = compile(&json!([
        agent("first", &[]),
        {"key": "outer", "type": "loop", "depends_on": ["first"], "config": {"items": [1, 2], "max_iterations": 2, "body": ["inner", "beside"]}},
        {"key": "inner", "type": "parallel", "config": {"branches": {"x": ["deep"], "y": ["deeper"]}}},
        agent("deep", &[]), agent("deeper", &[]), agent("beside", &[]),
        {"key": "last", "type": "wait", "depends_on": ["outer"], "config": {"duration_ms": 1}}
    ]));

    assert_eq!((plan.steps().len(), plan.steps_total()), (7, 3));
}

#[test]
fn on_error_becomes_a_policy() {
    let mut steps = json!([agent("fail", &[]), agent("go", &[]), agent("again", &[]), agent("more", &[])]);
    steps[1]["on_error"] = json!("continue");
    steps[2]["on_error"] = json!("retry");
    steps[3]["on_error"] = json!("retry");
    steps[3]["retry_count"] = json!(5);
    steps[3]["config"] = json!({"backoff": "fixed", "jitter": false});
    let plan = compile(&steps);

    let policy = |key: &str| {
        let step = step(&plan, key);
        let Action::Agent(action) = &step.action else { panic!("an agent") };
        (action.retry.retries, step.continue_on_error)
    };

    assert_eq!(["fail", "go", "again", "more"].map(policy), [(0, false), (0, true), (3, false), (5, false)]);
    let Action::Agent(action) = &step(&plan, "more").action else { panic!("an agent") };
    let expected = RetryPolicy { retries: 5, delay_ms: 1_000, backoff: crate::plan::Backoff::Fixed, jitter: false };
    assert_eq!((action.retry, action.timeout_ms), (expected, 30_000));
}

#[test]
fn a_step_without_a_row_or_an_agent_is_no_plan() {
    let document = document(&json!([agent("a", &[])]));
    let key = StepKey::parse("a").unwrap();
    let mut bindings = bindings(&document);

    bindings.get_mut(&key).unwrap().agent_id = None;
    assert_eq!(Plan::compile(&document, &bindings).unwrap_err(), PlanError::NoAgent(key.clone()));
    bindings.clear();
    assert_eq!(Plan::compile(&document, &bindings).unwrap_err(), PlanError::Unbound(key));
}

fn documents() -> impl Strategy<Value = Value> {
    let step = (any::<bool>(), prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    prop::collection::vec(step, 1..20).prop_map(|steps| {
        let mut document = Vec::new();
        for (n, (is_container, dependencies)) in steps.into_iter().enumerate() {
            let earlier: std::collections::BTreeSet<String> =
                dependencies.iter().filter(|_| n > 0).map(|index| format!("s{}", index.index(n))).collect();
            let key = format!("s{n}");
            if is_container {
                let body = [format!("{key}-x"), format!("{key}-y")];
                document.push(json!({"key": key, "type": "parallel", "depends_on": earlier, "config": {"items": [1], "body": body}}));
                document.push(json!({"key": body[1], "type": "agent", "agent": "a", "depends_on": [body[0]]}));
                document.push(json!({"key": body[0], "type": "condition", "config": {"if": "true", "then": [body[1]]}}));
            } else {
                document.push(json!({"key": key, "type": "agent", "agent": "a", "depends_on": earlier}));
            }
        }
        json!(document)
    })
}

proptest! {
    #[test]
    fn every_plan_keeps_its_invariants(steps in documents()) {
        assert_invariants(&compile(&steps));
    }
}
