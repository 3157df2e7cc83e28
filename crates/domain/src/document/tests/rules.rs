//! What a document may not do: one test a rule.

use super::*;

#[test]
fn unknown_keys_are_refused_wherever_they_are() {
    let document = json!({
        "name": "w", "step": [],
        "settings": {"timeout": 1, "concurrency": {"key": "k", "limit": 1, "on_limits": "queue"}},
        "triggers": {"schedules": {}, "schedule": {"cron": "@daily", "timzone": "UTC"}, "webhook": {"x": 1}, "event": {"name": "e", "filer": "1"}},
        "steps": [
            {"key": "a", "type": "agent", "agent": "x", "dependson": [], "config": {"backof": "fixed"}},
            {"key": "b", "type": "condition", "config": {"if": "true", "than": []}},
            {"key": "c", "type": "loop", "config": {"items": [], "max_iterations": 1, "body": ["a"], "max_concurrency": 1}},
            {"key": "d", "type": "parallel", "config": {"items": [], "body": ["b"], "max_iterations": 1}},
            {"key": "e", "type": "wait", "config": {"approval": {"approver": []}, "duration": 1}},
            {"key": "f", "type": "wait", "config": {"event": {"name": "n", "fliter": "true"}}}
        ]
    });

    let unknown: Vec<String> = found(&document).into_iter().filter(|found| found.starts_with("unknown_key")).collect();

    assert_eq!(
        unknown.iter().map(|found| found.trim_start_matches("unknown_key ")).collect::<Vec<_>>(),
        [
            "settings.concurrency.on_limits",
            "settings.timeout",
            "triggers.schedule.timzone",
            "triggers.webhook.x",
            "triggers.event.filer",
            "triggers.schedules",
            "steps[0].config.backof",
            "steps[0].dependson",
            "steps[1].config.than",
            "steps[2].config.max_concurrency",
            "steps[3].config.max_iterations",
            "steps[4].config.approval.approver",
            "steps[4].config.duration",
            "steps[5].config.event.fliter",
            "step",
        ]
    );
    assert_eq!(
        message(&json!({"name": "w", "steps": [{"key": "a", "type": "agent", "agnet": "x", "agent": "x"}]})),
        "there is no key `agnet`; did you mean `agent`?"
    );
}

#[test]
fn a_document_needs_a_name_and_steps() {
    assert_eq!(found(&json!({})), ["missing_key ", "missing_key "]);
    assert_eq!(found(&json!([])), ["wrong_type "]);
    assert_eq!(found(&json!({"name": "w", "steps": []})), ["invalid_value steps"]);
    assert_eq!(found(&json!({"name": "w", "steps": {}})), ["wrong_type steps"]);
    assert_eq!(found(&of(&json!([{}]))), ["missing_key steps[0]", "missing_key steps[0]"]);
    assert_eq!(
        found(&of(&json!([{"key": "A b", "type": "agnt"}]))),
        ["invalid_value steps[0].key", "invalid_value steps[0].type"]
    );
    assert_eq!(found(&of(&json!([{"key": "a", "type": "loop"}]))), ["missing_key steps[0]"]);
    assert_eq!(found(&of(&json!([{"key": "a", "type": "agent"}]))), ["missing_key steps[0]"]);
}

#[test]
fn a_key_is_used_once_and_a_step_that_cannot_be_read_is_one_problem() {
    assert_eq!(found(&of(&json!([agent("a", &[]), agent("a", &[])]))), ["duplicate_key steps[1].key"]);
    let unreadable = of(&json!([{"key": "a", "type": "agnt"}, agent("b", &["a"])]));
    assert_eq!(found(&unreadable), ["invalid_value steps[0].type"]);
}

#[test]
fn a_cycle_is_told_with_its_steps_in_order() {
    let document = of(&json!([agent("a", &["c"]), agent("b", &["a"]), agent("c", &["b"]), agent("d", &["c"])]));

    assert_eq!(message(&document), "these steps wait for one another: a -> b -> c -> a");
    assert_eq!(found(&of(&json!([agent("a", &["a"])]))), ["dependency_on_itself steps[0].depends_on"]);
    assert_eq!(found(&of(&json!([agent("a", &["b"])]))), ["unknown_step steps[0].depends_on"]);
    assert_eq!(
        found(&of(&json!([agent("a", &[]), agent("b", &["a", "a"])]))),
        ["duplicate_step steps[1].depends_on[1]"]
    );
    assert_eq!(
        message(&of(&json!([agent("fetch", &[]), agent("b", &["fecth"])]))),
        "there is no step `fecth`; did you mean `fetch`?"
    );
}

#[test]
fn a_dependency_stays_in_its_body_and_the_message_says_what_to_write() {
    let out = of(&json!([container("l", &["a"]), agent("a", &[]), agent("b", &["a"])]));
    let into = of(&json!([container("l", &["a"]), agent("a", &["b"]), agent("b", &[])]));
    let own = of(
        &json!([{"key": "l", "type": "loop", "depends_on": ["a"], "config": {"items": [1], "max_iterations": 2, "body": ["a"]}}, agent("a", &[])]),
    );

    assert_eq!(found(&out), ["dependency_across_body steps[2].depends_on"]);
    assert_eq!(message(&out), "`a` is in a body of `l`, and `b` is not; depend on `l`");
    assert_eq!(message(&into), "`a` is in a body of `l`, and `b` is not; if `l` depends on it, all of its body does");
    assert_eq!(message(&own), "`a` is in a body of `l`, and so runs within it");
}

#[test]
fn a_step_has_one_place() {
    let two = of(&json!([container("l", &["a"]), container("m", &["a"]), agent("a", &[])]));
    let branches = of(
        &json!([{"key": "p", "type": "parallel", "config": {"branches": {"x": ["a"], "y": ["a"]}}}, agent("a", &[])]),
    );
    let itself = of(&json!([container("l", &["l"])]));
    let gone = of(&json!([container("l", &["x"])]));
    let circle = of(&json!([container("l", &["m"]), container("m", &["l"])]));

    assert_eq!(found(&two), ["step_of_two_bodies steps[1].config.body"]);
    assert_eq!(found(&branches), ["step_of_two_bodies steps[0].config.branches.y"]);
    assert_eq!(found(&itself), ["step_in_own_body steps[0].config.body"]);
    assert_eq!(found(&gone), ["unknown_step steps[0].config.body"]);
    assert_eq!(found(&circle), ["unreachable_step steps[0].config", "unreachable_step steps[1].config"]);
}

#[test]
fn bodies_nest_five_deep() {
    let nested = |depth: usize| {
        let mut steps: Vec<Value> = (0..depth)
            .map(|level| {
                container(
                    &format!("l{level}"),
                    &[if level + 1 == depth { "leaf".to_owned() } else { format!("l{}", level + 1) }.as_str()],
                )
            })
            .collect();
        steps.push(agent("leaf", &[]));
        of(&json!(steps))
    };

    assert_eq!(found(&nested(5)), [""; 0]);
    assert_eq!(found(&nested(6)), ["nesting_too_deep steps[5].config"]);
}

#[test]
fn containers_need_a_bound_a_source_and_a_body() {
    let of_loop = |config: Value| found(&of(&json!([{"key": "l", "type": "loop", "config": config}, agent("a", &[])])));
    let of_parallel =
        |config: Value| found(&of(&json!([{"key": "p", "type": "parallel", "config": config}, agent("a", &[])])));

    assert_eq!(of_loop(json!({"items": [], "body": ["a"]})), ["loop_without_bound steps[0].config"]);
    assert_eq!(of_loop(json!({"max_iterations": 1, "body": ["a"]})), ["missing_key steps[0].config"]);
    assert_eq!(
        of_loop(json!({"items": [], "while": "true", "max_iterations": 1, "body": ["a"]})),
        ["conflicting_keys steps[0].config"]
    );
    assert_eq!(of_loop(json!({"items": [], "max_iterations": 1, "body": []})), ["empty_body steps[0].config.body"]);
    assert_eq!(of_loop(json!({"items": [], "max_iterations": 1})), ["missing_key steps[0].config"]);
    assert_eq!(
        of_loop(json!({"items": [], "max_iterations": 100_001, "body": ["a"]})),
        ["out_of_range steps[0].config.max_iterations"]
    );
    assert_eq!(of_loop(json!([])), ["wrong_type steps[0].config"]);
    assert_eq!(of_parallel(json!({"body": ["a"]})), ["missing_key steps[0].config"]);
    assert_eq!(of_parallel(json!({"branches": {}})), ["empty_body steps[0].config.branches"]);
    assert_eq!(of_parallel(json!({"branches": {"x": []}})), ["empty_body steps[0].config.branches"]);
    assert_eq!(
        of_parallel(json!({"branches": {"x": ["a"]}, "body": ["a"]})),
        ["conflicting_keys steps[0].config.body"]
    );
    assert_eq!(
        of_parallel(json!({"items": [], "body": ["a"], "wait_for": "some"})),
        ["invalid_value steps[0].config.wait_for"]
    );
    assert_eq!(
        of_parallel(json!({"items": [], "body": ["a"], "wait_for": 0})),
        ["out_of_range steps[0].config.wait_for"]
    );
    assert_eq!(
        of_parallel(json!({"items": [], "body": ["a"], "on_item_error": "stop"})),
        ["invalid_value steps[0].config.on_item_error"]
    );
}

#[test]
fn a_condition_decides_about_steps_that_come_after_it_in_its_body() {
    let with = |config: Value, rest: Value| {
        let mut steps =
            vec![json!({"key": "c", "type": "condition", "depends_on": ["a"], "config": config}), agent("a", &[])];
        steps.extend(rest.as_array().unwrap().iter().cloned());
        found(&of(&json!(steps)))
    };

    assert_eq!(with(json!({"if": "true", "then": ["x"]}), json!([])), ["unknown_step steps[0].config.then"]);
    assert_eq!(with(json!({"if": "true", "then": ["c"]}), json!([])), ["branch_of_itself steps[0].config.then"]);
    assert_eq!(with(json!({"if": "true", "else": ["a"]}), json!([])), ["branch_upstream steps[0].config.else"]);
    assert_eq!(
        with(json!({"if": "true", "then": ["b"]}), json!([container("l", &["b"]), agent("b", &[])])),
        ["branch_across_body steps[0].config.then"]
    );
    assert_eq!(with(json!({"then": ["a"]}), json!([])), ["missing_key steps[0].config"]);
    assert_eq!(with(json!({"if": "true", "switch": "1"}), json!([])), ["conflicting_keys steps[0].config"]);
    assert_eq!(with(json!({"switch": "1"}), json!([])), ["missing_key steps[0].config"]);
    assert_eq!(
        with(json!({"switch": "1", "cases": {"default": []}}), json!([])),
        ["invalid_value steps[0].config.cases"]
    );
    assert_eq!(
        with(json!({"switch": "1", "cases": {"x": ["y"]}}), json!([])),
        ["unknown_step steps[0].config.cases.x"]
    );
    assert_eq!(with(json!({"if": true, "then": ["b"], "else": []}), json!([agent("b", &[])])), [""; 0]);
}

#[test]
fn a_step_after_both_branches_needs_a_join_that_can_hold() {
    let merge = |join: &str| {
        of(&json!([
            {"key": "c", "type": "condition", "config": {"if": "input.x", "then": ["yes"], "else": ["no"]}},
            agent("yes", &[]), agent("no", &[]),
            {"key": "merge", "type": "agent", "agent": "x", "join": join, "depends_on": ["yes", "no"]},
            agent("after", &["merge"])
        ]))
    };

    assert_eq!(found(&merge("all_success")), ["unreachable_step steps[3].depends_on"]);
    assert!(message(&merge("all_success")).contains("write `join: none_failed`"));
    for join in ["none_failed", "all_done", "one_success"] {
        assert_eq!(found(&merge(join)), [""; 0]);
    }
}

#[test]
fn a_wait_waits_for_one_thing() {
    let with = |config: Value| found(&of(&json!([{"key": "w", "type": "wait", "config": config}])));

    assert_eq!(with(json!({})), ["missing_key steps[0].config"]);
    assert_eq!(with(json!({"duration_ms": 1, "until": "x"})), ["conflicting_keys steps[0].config"]);
    assert_eq!(with(json!({"duration_ms": -1})), ["out_of_range steps[0].config.duration_ms"]);
    assert_eq!(with(json!({"duration_ms": 1, "timeout_ms": 5})), ["conflicting_keys steps[0].config.timeout_ms"]);
    assert_eq!(with(json!({"event": {}})), ["missing_key steps[0].config.event"]);
    assert_eq!(
        with(json!({"event": {"name": "e", "filter": "event.x +"}})),
        ["expression_invalid steps[0].config.event.filter"]
    );
    assert_eq!(with(json!({"until": "${{ event.at }}"})), ["expression_out_of_place steps[0].config.until"]);
    assert_eq!(with(json!({"approval": {}, "lookback_ms": 5})), ["conflicting_keys steps[0].config.lookback_ms"]);
    assert_eq!(
        with(json!({"approval": {"approvers": ["a"], "min_approvals": 2}})),
        ["invalid_value steps[0].config.approval"]
    );
    assert_eq!(with(json!({"approval": {"form": []}})), ["wrong_type steps[0].config.approval.form"]);
    assert_eq!(
        with(json!({"approval": {}, "timeout_ms": 1, "on_timeout": "later"})),
        ["invalid_value steps[0].config.on_timeout"]
    );
}

#[test]
fn what_only_agents_have_is_refused_elsewhere_with_what_to_use_instead() {
    for (key, value) in [
        ("agent", json!("x")),
        ("inputs", json!({})),
        ("retry_count", json!(1)),
        ("retry_delay_ms", json!(1)),
        ("timeout_ms", json!(1)),
    ] {
        let mut step = json!({"key": "w", "type": "wait", "config": {"duration_ms": 1}});
        step[key] = value;
        assert_eq!(found(&of(&json!([step]))), [format!("not_for_this_step steps[0].{key}")]);
    }
    let wait = of(&json!([{"key": "w", "type": "wait", "timeout_ms": 1, "config": {"duration_ms": 1}}]));
    assert_eq!(message(&wait), "a wait step has no `timeout_ms`: a wait is bounded by `config.timeout_ms`");
    let condition = of(&json!([{"key": "c", "type": "condition", "timeout_ms": 1, "config": {"if": "true"}}]));
    assert_eq!(
        message(&condition),
        "a condition step has no `timeout_ms`: the whole execution is bounded by `settings.timeout_ms`"
    );
    let retry = of(&json!([{"key": "w", "type": "wait", "on_error": "retry", "config": {"duration_ms": 1}}]));
    assert_eq!(found(&retry), ["not_for_this_step steps[0].on_error"]);
}

#[test]
fn numbers_have_limits() {
    let with = |key: &str, value: Value| {
        let mut step = agent("a", &[]);
        step[key] = value;
        found(&of(&json!([step])))
    };
    let settings = |settings: Value| found(&json!({"name": "w", "settings": settings, "steps": [agent("a", &[])]}));

    for (key, most, path) in [
        ("retry_count", 20, "steps[0].retry_count"),
        ("timeout_ms", 3_600_000, "steps[0].timeout_ms"),
        ("retry_delay_ms", 600_000, "steps[0].retry_delay_ms"),
    ] {
        assert_eq!(with(key, json!(most)), [""; 0]);
        assert_eq!(with(key, json!(most + 1)), [format!("out_of_range {path}")]);
    }
    assert_eq!(with("timeout_ms", json!(0)), ["out_of_range steps[0].timeout_ms"]);
    assert_eq!(with("retry_count", json!(1.5)), ["out_of_range steps[0].retry_count"]);
    let month: u64 = 30 * 24 * 3_600_000;
    assert_eq!(settings(json!({"timeout_ms": month})), [""; 0]);
    assert_eq!(settings(json!({"timeout_ms": month + 1})), ["out_of_range settings.timeout_ms"]);
    assert_eq!(settings(json!({"max_parallel_steps": 0})), ["out_of_range settings.max_parallel_steps"]);
    let waits = json!({"name": "w", "settings": {"timeout_ms": 2 * month}, "steps": [{"key": "w", "type": "wait", "config": {"duration_ms": 1}}]});
    assert_eq!(found(&waits), [""; 0]);
}

#[test]
fn a_graph_has_limits() {
    let chain = |count: usize| {
        of(&json!(
            (0..count)
                .map(|n| agent(
                    &format!("s{n}"),
                    &[if n == 0 { None } else { Some(format!("s{}", n - 1)) }]
                        .iter()
                        .flatten()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                ))
                .collect::<Vec<_>>()
        ))
    };
    assert_eq!(found(&chain(500)), [""; 0]);
    assert_eq!(found(&chain(501)), ["dag_too_large steps"]);
    let wide = |count: usize| {
        let keys: Vec<String> = (0..count).map(|n| format!("s{n}")).collect();
        let mut steps: Vec<Value> = keys.iter().map(|key| agent(key, &[])).collect();
        steps.push(agent("end", &keys.iter().map(String::as_str).collect::<Vec<_>>()));
        of(&json!(steps))
    };
    assert_eq!(found(&wide(50)), [""; 0]);
    assert_eq!(found(&wide(51)), ["dag_too_large steps[51].depends_on"]);
    let dense = |layers: usize| {
        let key = |layer: usize, n: usize| format!("s{layer}-{n}");
        let steps: Vec<Value> = (0..layers)
            .flat_map(|layer| (0..20).map(move |n| (layer, n)))
            .map(|(layer, n)| {
                let before: Vec<String> = (0..20).filter(|_| layer > 0).map(|m| key(layer - 1, m)).collect();
                agent(&key(layer, n), &before.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect();
        of(&json!(steps))
    };
    assert_eq!(found(&dense(6)), [""; 0]);
    assert_eq!(found(&dense(7)), ["dag_too_large steps"]);
    let mut large = of(&json!([agent("a", &[])]));
    large["steps"][0]["inputs"] = json!({"text": "x".repeat(513 * 1024)});
    assert_eq!(found(&large), ["json_too_large "]);
    let mut deep = json!(1);
    (0..70).for_each(|_| deep = json!([deep]));
    large["steps"][0]["inputs"] = json!({"deep": deep});
    assert_eq!(found(&large), ["json_too_deep "]);
}

#[test]
fn triggers_and_settings_are_checked_for_their_form() {
    let with = |key: &str, value: Value| {
        let mut document = of(&json!([agent("a", &[])]));
        document[key] = value;
        found(&document)
    };

    assert_eq!(with("triggers", json!({"schedule": {}})), ["missing_key triggers.schedule"]);
    assert_eq!(
        with("triggers", json!({"schedule": {"cron": "* * * * * *"}})),
        ["invalid_value triggers.schedule.cron"]
    );
    assert_eq!(
        with("triggers", json!({"schedule": {"cron": "@daily", "timezone": "Mars"}})),
        ["invalid_value triggers.schedule.timezone"]
    );
    assert_eq!(
        with("triggers", json!({"schedule": {"cron": "@daily", "overlap": "x"}})),
        ["invalid_value triggers.schedule.overlap"]
    );
    assert_eq!(with("triggers", json!({"webhook": {"auth": "none"}})), ["invalid_value triggers.webhook.auth"]);
    assert_eq!(with("triggers", json!({"event": {"name": "e", "filter": "input.x == 1"}})), [""; 0]);
    assert_eq!(
        with("triggers", json!({"event": {"name": "e", "filter": "steps.a.output"}})),
        ["expression_downstream triggers.event.filter"]
    );
    assert_eq!(
        with("settings", json!({"concurrency": {"key": "${{ steps.a.output }}", "limit": 1}})),
        ["expression_downstream settings.concurrency.key"]
    );
    assert_eq!(
        with("settings", json!({"concurrency": {"limit": 0}})),
        ["missing_key settings.concurrency", "out_of_range settings.concurrency.limit"]
    );
    assert_eq!(with("settings", json!({"on_failure": ""})), ["invalid_value settings.on_failure"]);
    let budget = json!({"budget": {"tokens": -1, "usd": -0.5, "eur": 1}});
    let refused =
        ["out_of_range settings.budget.tokens", "out_of_range settings.budget.usd", "unknown_key settings.budget.eur"];
    assert_eq!(with("settings", budget), refused);
    assert_eq!(with("input", json!("string")), ["wrong_type input"]);
    assert_eq!(with("tags", json!(["ok", "not ok"])), ["invalid_value tags[1]"]);
}
