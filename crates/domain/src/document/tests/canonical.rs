//! The canonical form: one for what means the same.

use proptest::prelude::*;

use super::*;

#[test]
fn the_canonical_form_is_a_document_that_means_the_same() {
    let document = parse(&valid());
    let canonical = document.canonical();

    assert_eq!(Document::parse(&canonical).as_ref(), Ok(&document));
    assert_eq!(serde_json::to_value(&document).unwrap(), canonical);
    assert_eq!(parse(&canonical).canonical(), canonical);
}

#[test]
fn what_is_as_by_default_is_not_written() {
    let spelled_out = json!({
        "name": " w ", "description": null, "tags": [], "settings": {"timeout_ms": 3_600_000, "max_parallel_steps": 16}, "triggers": {},
        "steps": [
            {"key": "b", "type": "agent", "agent": "x"},
            {"key": "c", "type": "agent", "agent": "x"},
            {
                "key": "a", "name": "a", "type": "agent", "agent": "x", "inputs": {}, "depends_on": ["c", "b"], "if": "${{ input.x }}", "join": "all_success",
                "retry_count": 0, "retry_delay_ms": 1000, "timeout_ms": 30000, "on_error": "fail", "config": {"backoff": "exponential", "jitter": true}
            }
        ]
    });

    assert_eq!(
        parse(&spelled_out).canonical(),
        json!({"name": "w", "steps": [
            {"key": "b", "type": "agent", "agent": "x"},
            {"key": "c", "type": "agent", "agent": "x"},
            {"key": "a", "type": "agent", "agent": "x", "depends_on": ["b", "c"], "if": "input.x"}
        ]})
    );
}

#[test]
fn documents_that_mean_the_same_are_equal_and_others_are_not() {
    let one = of(
        &json!([agent("a", &[]), agent("b", &[]), {"key": "c", "type": "agent", "agent": "a", "depends_on": ["a", "b"], "if": "${{ input.x == 1 }}"}]),
    );
    let other = of(
        &json!([agent("a", &[]), agent("b", &[]), {"key": "c", "type": "agent", "agent": "a", "depends_on": ["b", "a"], "if": " input.x == 1", "retry_count": 0}]),
    );
    let different = of(
        &json!([agent("a", &[]), agent("b", &[]), {"key": "c", "type": "agent", "agent": "a", "depends_on": ["b", "a"], "if": "input.x == 2"}]),
    );

    assert_eq!(parse(&one), parse(&other));
    assert_ne!(parse(&one), parse(&different));
}

/// Steps that depend on earlier ones, of all types.
fn documents() -> impl Strategy<Value = Value> {
    let step = (0_u8..6, any::<[bool; 6]>(), any::<prop::sample::Index>(), 0_u32..4);
    prop::collection::vec(step, 1..12).prop_map(|steps| {
        let mut document: Vec<Value> = Vec::new();
        let mut extra: Vec<Value> = Vec::new();
        for (n, (kind, flags, pick, number)) in steps.into_iter().enumerate() {
            let key = format!("s{n}");
            let mut step = json!({"key": key, "type": "agent", "agent": format!("agent {number}")});
            if n > 0 {
                step["depends_on"] = json!([format!("s{}", pick.index(n))]);
            }
            let body = format!("{key}-body");
            let config = match kind {
                0 => ("condition", json!({"if": "input.x > 1", "then": []})),
                1 => ("condition", json!({"switch": "input.x", "cases": {"a": [], "b": []}, "default": []})),
                2 => ("loop", json!({"items": "${{ input.list }}", "max_iterations": number + 1, "body": [body], "break_if": "iteration > 2"})),
                3 => ("parallel", json!({"items": [number], "body": [body], "wait_for": number + 1, "on_item_error": if flags[0] { "null" } else { "fail" }})),
                4 => ("wait", json!({"event": {"name": "e", "filter": "event.x == 1"}, "lookback_ms": number, "on_timeout": if flags[0] { "continue" } else { "fail" }})),
                _ => ("agent", json!({"jitter": flags[0], "backoff": if flags[1] { "fixed" } else { "exponential" }})),
            };
            step["type"] = json!(config.0);
            step["config"] = config.1;
            if config.0 == "agent" {
                step["inputs"] = json!({"n": number, "x": "${{ input.x }} and ${{ env.y }}"});
                step["retry_count"] = json!(number);
                step["on_error"] = json!(if flags[2] { "retry" } else { "fail" });
            } else if let Some(fields) = step.as_object_mut() {
                fields.remove("agent");
            }
            if flags[3] {
                step["if"] = json!("has(input.x)");
            }
            if flags[4] {
                step["join"] = json!("all_done");
            }
            if flags[5] {
                step["outputs"] = json!({"kept": "${{ output }}"});
            }
            if matches!(kind, 2 | 3) {
                extra.push(agent(&body, &[]));
            }
            document.push(step);
        }
        document.append(&mut extra);
        of(&json!(document))
    })
}

proptest! {
    #[test]
    fn what_is_parsed_is_parsed_again_from_its_canonical_form(source in documents()) {
        let document = Document::parse(&source);
        prop_assert!(document.is_ok(), "{:?}", document);
        let document = document.unwrap();

        let canonical = document.canonical();

        prop_assert_eq!(&parse(&canonical), &document);
        prop_assert_eq!(parse(&canonical).canonical(), canonical);
    }
}
