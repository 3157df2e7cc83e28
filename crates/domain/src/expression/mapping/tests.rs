//! Mappings: types that are kept, parts that are joined, leaves that are named.

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::expression::{Root, StepView};

struct Input(Value);

/// The variables of a deployment.
struct Variables(Value);

impl Scope for Variables {
    fn root(&self, root: Root) -> Option<Cow<'_, Value>> {
        (root == Root::Env).then_some(Cow::Borrowed(&self.0))
    }

    fn step(&self, _key: &str) -> Option<StepView<'_>> {
        None
    }
}

impl Scope for Input {
    fn root(&self, root: Root) -> Option<Cow<'_, Value>> {
        (root == Root::Input).then_some(Cow::Borrowed(&self.0))
    }

    fn step(&self, _key: &str) -> Option<StepView<'_>> {
        None
    }
}

fn evaluate(mapping: &Value, input: Value) -> Result<Value, ExpressionError> {
    Mapping::parse(mapping).unwrap().evaluate(&Input(input))
}

#[test]
fn exactly_one_expression_keeps_its_type() {
    let input = json!({"list": [1, {"a": null}], "n": 5});

    let value = evaluate(
        &json!({"list": "${{ input.list }}", "n": "${{input.n + 1}}", "k": [true, "${{ input.n > 3 }}"]}),
        input,
    );

    assert_eq!(value, Ok(json!({"list": [1, {"a": null}], "n": 6, "k": [true, true]})));
}

#[test]
fn expressions_in_text_are_joined_as_text() {
    let input = json!({"s": "Ada", "n": 1.5, "null": null, "list": [1, "x"]});

    let value = evaluate(
        &json!(
            "${{ input.s }} / ${{ input.n }} / ${{ input['null'] }} / ${{ input.list }} / ${{ '${{' }} / ${{ true }}"
        ),
        input,
    );

    assert_eq!(value, Ok(json!("Ada / 1.5 / null / [1,\"x\"] / ${{ / true")));
}

#[test]
fn a_constant_stays_as_it_is() {
    let constant = json!({"a": [1, "x", {"b": null}], "c": "no $ { expression }}"});
    let mapping = Mapping::parse(&constant).unwrap();

    assert!(mapping.root.is_constant());
    assert_eq!(mapping.evaluate(&Input(Value::Null)), Ok(constant));
    assert_eq!(mapping.references(), &References::default());
}

#[test]
fn every_wrong_leaf_is_reported_with_its_place() {
    let mapping = json!({
        "query": "${{ inptu.x }}",
        "deep": [{"x": "ok"}, {"x": "${{ 1 + }} and ${{ foo }}"}],
        "open": "${{ input.x",
        "fine": "${{ input.x }}"
    });

    let problems = Mapping::parse(&mapping).unwrap_err();

    let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, [".deep[1].x", ".deep[1].x", ".open", ".query"]);
    assert_eq!(Mapping::parse(&json!("${{ foo }}")).unwrap_err()[0].pointer, "");
}

#[test]
fn references_are_those_of_all_leaves() {
    let mapping = Mapping::parse(&json!({
        "a": "${{ input.x }}",
        "b": ["${{ steps.one.output }} ${{ steps.two.status }}", "${{ item }}"],
        "c": "${{ secrets.TOKEN }}"
    }))
    .unwrap();

    let references = mapping.references();

    assert_eq!(references.roots.iter().copied().collect::<Vec<_>>(), [Root::Input, Root::Item]);
    assert_eq!(references.steps.iter().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(references.secrets.iter().collect::<Vec<_>>(), ["TOKEN"]);
}

#[test]
fn a_failure_names_its_leaf() {
    let error = evaluate(&json!({"a": [{"b": "${{ input.x }}"}]}), json!({"y": 1})).unwrap_err();

    assert_eq!(error.message, "in `a[0].b`: `input` has no key `x`; it has `y`");
    assert_eq!(error.code, "expression_failed");
    let error = evaluate(&json!("${{ input.x }}"), json!({"y": 1})).unwrap_err();
    assert_eq!(error.message, "`input` has no key `x`; it has `y`");
}

#[test]
fn a_secret_is_passed_on_as_a_marker_and_only_whole() {
    assert_eq!(
        evaluate(&json!({"key": "${{ secrets.API_KEY }}"}), json!({})),
        Ok(json!({"key": {"$secret": "API_KEY"}}))
    );
    for refused in
        ["Bearer ${{ secrets.API_KEY }}", "${{ secrets.API_KEY + '' }}", "${{ secrets['A'] }}", "${{ [secrets.A] }}"]
    {
        let problems = Mapping::parse(&json!(refused)).expect_err(refused);
        assert_eq!(problems[0].error.code, "secret_not_allowed", "{refused}");
    }
}

#[test]
fn data_cannot_pretend_to_be_a_secret() {
    let forged = json!({"x": {"deep": [{"$secret": "ADMIN"}]}});

    for mapping in [json!("${{ input.x }}"), json!("${{ input }}"), json!(["${{ input.x.deep[0] }}"])] {
        assert_eq!(evaluate(&mapping, forged.clone()).unwrap_err().code, "secret_not_allowed");
    }
    assert_eq!(evaluate(&json!("${{ {'$secret': 'ADMIN'} }}"), json!({})).unwrap_err().code, "secret_not_allowed");
    assert_eq!(Mapping::parse(&json!({"a": {"$secret": "X"}})).unwrap_err()[0].pointer, ".a.$secret");
}

#[test]
fn a_variable_of_the_deployment_may_name_a_secret_as_a_whole_and_no_other_way() {
    let variables = Variables(json!({ "TOKEN": { "$secret": "API" }, "all": [{ "$secret": "API" }] }));
    let evaluate = |text: &str| Mapping::parse(&json!(text)).unwrap().evaluate(&variables).map_err(|error| error.code);

    assert_eq!(evaluate("${{ env.TOKEN }}"), Ok(json!({ "$secret": "API" })));
    for refused in ["${{ env }}", "${{ env.all }}", "${{ [env.TOKEN] }}", "${{ env['TOKEN'] }}", "x ${{ env.TOKEN }}"] {
        assert_eq!(evaluate(refused), Err("secret_not_allowed"), "{refused}");
    }
}

#[test]
fn who_resolves_secrets_may_be_handed_one_whole_and_no_other_way() {
    let given = json!({"token": {"$secret": "API_KEY"}, "forged": {"$secret": "API_KEY", "more": 1}});
    let with_secrets = |mapping: &str| {
        Mapping::parse(&json!(mapping))
            .unwrap()
            .evaluate_with_secrets(&Input(given.clone()))
            .map_err(|error| error.code)
    };

    assert_eq!(with_secrets("${{ input.token }}"), Ok(json!({"$secret": "API_KEY"})));
    for refused in ["Bearer ${{ input.token }}", "${{ input }}", "${{ [input.token] }}", "${{ input.forged }}"] {
        assert_eq!(with_secrets(refused), Err("secret_not_allowed"), "{refused}");
    }
}

#[test]
fn the_leaves_share_one_bound() {
    let leaves: Vec<Value> = (0..10).map(|_| json!("${{ input.text }}")).collect();
    let input = json!({"text": "x".repeat(1 << 20)});

    assert_eq!(evaluate(&json!(leaves[..3]), input.clone()).map(|value| value.as_array().map(Vec::len)), Ok(Some(3)));
    assert_eq!(evaluate(&json!(leaves), input.clone()).unwrap_err().code, "expression_too_costly");
    let text = "${{ input.text }}".repeat(10);
    assert_eq!(evaluate(&json!(text), input).unwrap_err().code, "expression_too_costly");
}

proptest! {
    #[test]
    fn any_text_is_a_mapping_or_refused(text in "(\\$\\{\\{|\\}\\}|[ -~]|.){0,40}") {
        if let Ok(mapping) = Mapping::parse(&json!({"a": text})) {
            let _ = mapping.evaluate(&Input(json!({"a": 1})));
        }
    }

    #[test]
    fn text_without_an_expression_stays_as_it_is(text in "[^$]{0,40}") {
        prop_assert_eq!(evaluate(&json!(text), json!({})), Ok(json!(text)));
    }
}
