//! What the expressions of a document may read.

use super::*;

#[test]
fn an_expression_reads_only_what_comes_before_it() {
    let with = |inputs: &str| {
        found(&of(&json!([
            agent("before", &[]),
            container("l", &["inner", "first"]),
            {"key": "inner", "type": "agent", "agent": "x", "depends_on": ["first"], "inputs": {"x": inputs}},
            agent("first", &[]),
            {"key": "beside", "type": "agent", "agent": "x", "inputs": {}},
            agent("after", &["l"])
        ])))
    };
    let mut up = of(
        &json!([agent("before", &[]), container("l", &["inner"]), {"key": "inner", "type": "agent", "agent": "x", "inputs": {"x": "${{ steps.before.output }}"}}]),
    );

    assert_eq!(with("${{ steps.first.output }}"), [""; 0]);
    assert_eq!(with("${{ steps.before.output }}"), ["expression_downstream steps[2].inputs.x"]);
    assert_eq!(with("${{ steps.after.status }}"), ["expression_downstream steps[2].inputs.x"]);
    assert_eq!(with("${{ steps.inner.output }}"), ["expression_downstream steps[2].inputs.x"]);
    assert_eq!(with("${{ steps.l.output }}"), ["expression_downstream steps[2].inputs.x"]);
    assert_eq!(with("${{ steps.gone.output }}"), ["unknown_step steps[2].inputs.x"]);
    assert_eq!(found(&up), ["expression_downstream steps[2].inputs.x"]);
    up["steps"][1]["depends_on"] = json!(["before"]);
    assert_eq!(found(&up), [""; 0]);
}

#[test]
fn a_body_is_read_through_its_container() {
    let inside = of(
        &json!([container("l", &["a"]), agent("a", &[]), {"key": "b", "type": "agent", "agent": "x", "depends_on": ["l"], "inputs": {"x": "${{ steps.a.output }}"}}]),
    );

    assert_eq!(message(&inside), "`a` runs inside of `l`; what it gave is in steps.l.output");
    let mut output = of(&json!([container("l", &["a"]), agent("a", &[])]));
    output["output"] = json!("${{ steps.a.output }}");
    assert_eq!(found(&output), ["expression_downstream output"]);
    output["output"] = json!("${{ steps.l.output.results }}");
    assert_eq!(found(&output), [""; 0]);
}

#[test]
fn roots_are_read_only_where_they_are() {
    let with = |key: &str, value: Value| {
        let mut step = agent("a", &[]);
        step[key] = value;
        found(&of(&json!([step])))
    };
    let in_body = |config: Value, source: &str| {
        found(&of(
            &json!([{"key": "c", "type": if config.get("max_iterations").is_some() { "loop" } else { "parallel" }, "config": config}, {"key": "a", "type": "agent", "agent": "x", "inputs": {"x": source}}]),
        ))
    };

    for root in ["item", "index", "iteration", "output", "event"] {
        assert_eq!(
            with("inputs", json!({"x": format!("${{{{ {root} }}}}")})),
            ["expression_out_of_place steps[0].inputs.x"],
            "{root}"
        );
    }
    for root in ["input", "trigger", "execution", "env"] {
        assert_eq!(with("inputs", json!({"x": format!("${{{{ {root} }}}}")})), [""; 0], "{root}");
    }
    assert_eq!(with("outputs", json!("${{ output.x }}")), [""; 0]);
    assert_eq!(with("if", json!("output.x == 1")), ["expression_out_of_place steps[0].if"]);
    let (items, rounds) = (
        json!({"items": [], "max_iterations": 1, "body": ["a"]}),
        json!({"while": "iteration < 3", "max_iterations": 1, "body": ["a"]}),
    );
    let (map, fixed) = (json!({"items": [], "body": ["a"]}), json!({"branches": {"x": ["a"]}}));
    for (config, source, is_there) in [
        (&items, "${{ item }}", true),
        (&items, "${{ index + iteration }}", true),
        (&rounds, "${{ index + iteration }}", true),
        (&rounds, "${{ item }}", false),
        (&map, "${{ item }}", true),
        (&map, "${{ index }}", true),
        (&map, "${{ iteration }}", false),
        (&fixed, "${{ item }}", false),
        (&fixed, "${{ index }}", false),
    ] {
        assert_eq!(in_body(config.clone(), source).is_empty(), is_there, "{config} {source}");
    }
}

#[test]
fn secrets_are_passed_on_to_agents_alone() {
    let mut document =
        of(&json!([{"key": "a", "type": "agent", "agent": "x", "inputs": {"token": "${{ secrets.TOKEN }}"}}]));
    assert_eq!(found(&document), [""; 0]);

    document["output"] = json!({"leak": "${{ secrets.TOKEN }}"});
    document["steps"][0]["outputs"] = json!("${{ secrets.TOKEN }}");
    document["steps"][0]["if"] = json!("secrets.TOKEN == 'x'");
    document["steps"][0]["inputs"]["header"] = json!("Bearer ${{ secrets.TOKEN }}");
    document["steps"][0]["inputs"]["forged"] = json!({"$secret": "TOKEN"});

    let places =
        ["output.leak", "steps[0].if", "steps[0].outputs", "steps[0].inputs.forged.$secret", "steps[0].inputs.header"];
    assert_eq!(found(&document), places.map(|place| format!("secret_not_allowed {place}")));
}
