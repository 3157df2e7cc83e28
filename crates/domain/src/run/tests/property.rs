//! Any workflow, driven in any order, keeps the invariants.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    super::*,
    driver::{Driver, agent, permanent, transient},
};

/// A workflow of agents, waits, conditions and containers; a step depends on earlier ones only.
fn documents() -> impl Strategy<Value = Value> {
    let step = (0_u8..10, prop::collection::vec(0_usize..8, 0..3), 0_u8..4, 0_u8..4);
    (prop::collection::vec(step, 1..8), 1_u32..5).prop_map(|(specs, max_parallel_steps)| {
        let mut steps: Vec<Value> = Vec::new();
        for (n, (kind, parents, join, policy)) in specs.into_iter().enumerate() {
            let parents: std::collections::BTreeSet<_> = parents.into_iter().filter(|parent| *parent < n).collect();
            let depends_on: Vec<_> = parents.iter().map(|parent| format!("s{parent}-wait")).collect();
            let depends_on: Vec<_> = depends_on.iter().map(String::as_str).collect();
            let key = format!("s{n}-wait");
            let on_item_error = ["fail", "null", "drop", "null"][policy as usize];
            let wait_for = [json!("all"), json!("any"), json!(2), json!("all")][policy as usize].clone();
            let mut step = match kind {
                0 => json!({ "type": "wait", "config": { "duration_ms": 5 } }),
                1 => json!({ "type": "condition", "config": { "if": "input.n > 1", "then": [], "else": [] } }),
                2 => json!({ "type": "loop",
                    "config": { "items": "${{ input.list }}", "max_iterations": 3, "body": [format!("b{n}")] } }),
                3 => json!({ "type": "parallel", "config": {
                    "items": "${{ input.list }}", "body": [format!("b{n}")], "max_concurrency": 2,
                    "on_item_error": on_item_error, "wait_for": wait_for } }),
                _ => agent(&key, &[], json!({})),
            };
            if matches!(kind, 2 | 3) {
                steps.push(agent(&format!("b{n}"), &[], json!({ "item": "${{ item }}" })));
            }
            step["key"] = json!(key);
            step["depends_on"] = json!(depends_on);
            let joins = ["all_success", "all_done", "one_success", "none_failed"];
            step["join"] = json!(joins[join as usize]);
            step["on_error"] = json!(if policy == 0 { "fail" } else { "continue" });
            if kind >= 4 {
                step["retry_count"] = json!(policy);
            }
            if policy == 3 {
                step["if"] = json!("input.n > 0");
            }
            steps.push(step);
        }
        json!({ "name": "w", "settings": { "max_parallel_steps": max_parallel_steps }, "steps": steps })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_of_reports_keeps_the_invariants(document in documents(), script in prop::collection::vec((0_u8..10, any::<prop::sample::Index>()), 0..120)) {
        let limit = document["settings"]["max_parallel_steps"].as_u64().unwrap();
        let mut run = Driver::of(document);
        for (choice, index) in script {
            prop_assert!(run.starts.len() as u64 <= limit, "no more agents run at once than allowed");
            if run.has_ended() {
                break;
            }
            let started: Vec<_> = run.started().into_iter().map(str::to_owned).collect();
            let waiting: Vec<_> = run.waits.values().map(|wait| (wait.step, wait.until)).collect();
            prop_assert!(!started.is_empty() || !waiting.is_empty(), "a run that has not ended waits for something");
            match choice {
                0 if !waiting.is_empty() => {
                    let (step, until) = waiting[index.index(waiting.len())];
                    run.now = run.now.max(until.unwrap());
                    prop_assert_eq!(run.report(Report::TimerFired { step }), Ok(true));
                }
                1 if index.index(20) == 0 => run.apply(&Event::CancelRequested),
                2 if !started.is_empty() => {
                    // A late answer of an attempt that never was: refused, and nothing changes.
                    let step = run.address(&started[index.index(started.len())]);
                    let event = Event::StepSucceeded { step, attempt: 99, output: std::sync::Arc::new(json!(1)) };
                    prop_assert_eq!(run.try_apply(&event), Err(TransitionError::Stale));
                }
                3 | 4 if !started.is_empty() => run.fail(&started[index.index(started.len())], transient("x")),
                5 if !started.is_empty() => run.fail(&started[index.index(started.len())], permanent("x")),
                _ if !started.is_empty() => run.succeed(&started[index.index(started.len())], json!({ "n": 1 })),
                _ => {
                    let (step, until) = waiting[index.index(waiting.len())];
                    run.now = run.now.max(until.unwrap());
                    prop_assert_eq!(run.report(Report::TimerFired { step }), Ok(true));
                }
            }
        }
    }
}
