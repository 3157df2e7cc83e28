//! Expressions: what they compute, what they refuse, and that they end.

mod attacks;
mod rewriting;

use std::{borrow::Cow, collections::BTreeMap, time::Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::expression::StepView;

/// A scope of JSON.
#[derive(Default)]
struct Fixture {
    roots: BTreeMap<Root, Value>,
    outputs: BTreeMap<&'static str, Value>,
    failed: BTreeMap<&'static str, Value>,
}

impl Scope for Fixture {
    fn root(&self, root: Root) -> Option<Cow<'_, Value>> {
        self.roots.get(&root).map(Cow::Borrowed)
    }

    fn step(&self, key: &str) -> Option<StepView<'_>> {
        let completed =
            self.outputs.get(key).map(|output| StepView { output: Some(output), status: "completed", error: None });
        completed.or_else(|| {
            self.failed.get(key).map(|error| StepView { output: None, status: "failed", error: Some(error) })
        })
    }
}

fn with_input(input: Value) -> Fixture {
    Fixture { roots: BTreeMap::from([(Root::Input, input)]), ..Fixture::default() }
}

fn evaluate(source: &str, scope: &Fixture) -> Result<Value, ExpressionError> {
    Expression::parse(source)?.evaluate(scope)
}

fn value_of(source: &str, input: Value) -> Value {
    evaluate(source, &with_input(input)).unwrap_or_else(|error| panic!("{source}: {error}"))
}

fn failure_of(source: &str, input: Value) -> String {
    let error = evaluate(source, &with_input(input)).expect_err(source);
    format!("{}: {}", error.code, error.message)
}

#[test]
fn an_expression_is_shared_by_threads_and_printed() {
    fn shared<T: Send + Sync + std::fmt::Debug>(value: &T) -> String {
        format!("{value:?}")
    }

    assert_eq!(shared(&Expression::parse("input.a").unwrap()), "Expression(\"input.a\")");
}

#[test]
fn whole_numbers_of_json_add_up() {
    assert_eq!(value_of("input.x + 1", json!({"x": 3})), json!(4));
    assert_eq!(value_of("input.x * -2", json!({"x": 3})), json!(-6));
    assert_eq!(value_of("input.x", json!({"x": u64::MAX})), json!(u64::MAX));
    assert_eq!(value_of("input.x + 0.5", json!({"x": 1.5})), json!(2.0));
    assert_eq!(value_of("input.x < 2.5 && input.x >= 1", json!({"x": 2})), json!(true));
}

#[test]
fn mixed_arithmetic_is_refused_with_a_hint() {
    assert_eq!(
        failure_of("0.5 * input.x", json!({"x": 2})),
        "expression_failed: `*` does not work with double and int; both must be of one kind: write double(x) or int(x) around one of them"
    );
    assert_eq!(value_of("0.5 * double(input.x)", json!({"x": 2})), json!(1.0));
    assert_eq!(
        failure_of("'n: ' + input.x", json!({"x": 2})),
        "expression_failed: `+` does not work with string and int; write string(x) around the number, or int(x) around the text"
    );
    assert_eq!(
        failure_of("input.x > 1", json!({"x": "2"})),
        "expression_failed: `>` does not work with string and int; write string(x) around the number, or int(x) around the text"
    );
}

#[test]
fn a_missing_key_is_named_together_with_what_there_is() {
    let input = json!({"user": {"name": "Ada", "age": 36}, "list": [1], "gone": null});
    let failure = |source| failure_of(source, input.clone());

    assert_eq!(failure("input.user.nmae"), "expression_failed: `input.user` has no key `nmae`; it has `age`, `name`");
    assert_eq!(
        failure("input.user.nmae == 'x'"),
        "expression_failed: `input.user` has no key `nmae`; it has `age`, `name`"
    );
    assert_eq!(failure("input.gone.x + 1"), "expression_failed: `input.gone` is null, so `x` cannot be read of it");
    assert_eq!(failure("input.list[3]"), "expression_failed: `input.list` has 1 items, there is none at [3]");
    assert_eq!(
        failure("[input.user].map(u, u.nmae)"),
        "expression_failed: there is no key `nmae`; `has(…)` tells whether there is one"
    );
    assert_eq!(failure("item.x"), "expression_failed: there is no `item` here");
    assert_eq!(
        failure("steps.later.output"),
        "expression_failed: the step `later` has not ended here, so nothing of it can be read"
    );
}

#[test]
fn what_is_missing_is_no_failure_where_it_is_not_needed() {
    let input = json!({"a": {"b": 1}});

    assert_eq!(value_of("has(input.a.b)", input.clone()), json!(true));
    assert_eq!(value_of("has(input.a.c)", input.clone()), json!(false));
    assert_eq!(value_of("has(input.a.c) ? input.a.c : 'none'", input.clone()), json!("none"));
    assert_eq!(value_of("input.a.c == 1 || true", input.clone()), json!(true));
    assert_eq!(value_of("input.a.?c.orValue(5)", input.clone()), json!(5));
    assert!(failure_of("has(input.x.y)", input).contains("`input` has no key `x`"));
}

#[test]
fn a_step_is_seen_by_output_status_and_error() {
    let scope = Fixture {
        outputs: BTreeMap::from([("fetch", json!({"rows": [1, 2]})), ("my-step", json!(7))]),
        failed: BTreeMap::from([("broken", json!({"code": "timeout"}))]),
        ..Fixture::default()
    };
    let value = |source| evaluate(source, &scope).unwrap();

    assert_eq!(value("steps.fetch.output.rows[1]"), json!(2));
    assert_eq!(value("size(steps.fetch.output.rows) + steps['my-step'].output"), json!(9));
    assert_eq!(value("steps.`my-step`.output"), json!(7));
    assert_eq!(value("steps.fetch.status"), json!("completed"));
    assert_eq!(value("steps.fetch.error"), json!(null));
    assert_eq!(value("steps.broken.status == 'failed' && steps.broken.error.code == 'timeout'"), json!(true));
    assert_eq!(value("steps.broken.output == null"), json!(true));
    assert_eq!(value("has(steps.broken.output) || has(steps.fetch.error)"), json!(false));
    assert_eq!(value("steps.broken"), json!({"status": "failed", "error": {"code": "timeout"}}));
}

#[test]
fn references_say_what_an_expression_reads() {
    let expression = Expression::parse(
        "has(steps.a.output) && steps['b-c'].status == 'failed' ? input.x : [env.y].map(item, item + trigger.data.z)",
    )
    .unwrap();

    let references = expression.references();

    assert_eq!(references.roots, BTreeSet::from([Root::Input, Root::Env, Root::Trigger]));
    assert_eq!(references.steps, BTreeSet::from(["a".to_owned(), "b-c".to_owned()]));
    assert!(references.secrets.is_empty());
}

#[test]
fn what_does_not_exist_is_refused_when_it_is_parsed() {
    let refused = |source: &str| {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!(error.code, "expression_invalid", "{source}");
        error.message
    };

    assert_eq!(refused("inptu.x"), "there is no `inptu`; did you mean `input`?");
    assert!(refused("foo").starts_with("there is no `foo`; expressions start from input, item,"));
    assert!(refused("steps.my-step.output").contains("steps[\"my-step\"]"));
    assert_eq!(refused("input.x.toLower()"), "there is no function `toLower`; did you mean `lower`?");
    assert_eq!(refused("foo(1)"), "there is no function `foo`");
    assert!(refused("steps.fetch.result").contains("`output`, `status` and `error`"));
    assert!(refused("steps[input.key].output").starts_with("`steps` is followed by"));
    assert!(refused("input.x.matches('(')").contains("is not a regular expression"));
    assert!(refused("Point{x: 1}").contains("there is no type"));
    assert!(refused("input.list.map(x)").contains("list.map(x, …)"));
    assert!(refused("1 +").starts_with("this is not CEL at line 1"));
    assert!(refused("").starts_with("this is not CEL"));
    assert!(refused(&format!("'{}'", "x".repeat(2048))).contains("2048 bytes"));
}

#[test]
fn a_secret_is_never_read() {
    for source in
        ["secrets.KEY", "'Bearer ' + secrets.KEY", "secrets", "size(secrets)", "secrets['KEY']", "has(secrets.KEY)"]
    {
        assert_eq!(Expression::parse(source).expect_err(source).code, "secret_not_allowed", "{source}");
    }
}

#[test]
fn only_true_and_false_decide() {
    let scope = with_input(json!({"x": 1}));

    assert_eq!(Expression::parse("input.x == 1").unwrap().evaluate_bool(&scope), Ok(true));
    let error = Expression::parse("input.x").unwrap().evaluate_bool(&scope).unwrap_err();
    assert_eq!(error.message, "`input.x` gives a number, but only true or false can decide; compare it with something");
}

#[test]
fn every_function_can_be_called_both_ways() {
    let input = json!({"list": ["a", "b"], "text": " Grüße, Ada "});
    for (source, expected) in [
        ("input.list.join(', ')", json!("a, b")),
        ("join(input.list)", json!("ab")),
        ("[].join(',')", json!("")),
        ("'a,b,,c'.split(',')", json!(["a", "b", "", "c"])),
        ("split('äb', '')", json!(["ä", "b"])),
        ("input.text.trim().upper()", json!("GRÜSSE, ADA")),
        ("lower(input.text)", json!(" grüße, ada ")),
        ("'a-b-c'.replace('-', '+')", json!("a+b+c")),
        ("toJson({'a': [1, null, 'x']})", json!("{\"a\":[1,null,\"x\"]}")),
        ("'{\"a\":[1]}'.fromJson().a[0] + 1", json!(2)),
        ("input.text.matches('^ Gr..e')", json!(true)),
        ("matches('abc', 'b' + '$')", json!(false)),
        ("size('äb') + input.list.size()", json!(4)),
        ("timestamp('2024-01-02T03:04:05Z') + duration('90m')", json!("2024-01-02T04:34:05Z")),
        ("duration('90m')", json!("5400s")),
        ("duration('-1500ms')", json!("-1.5s")),
        ("timestamp('2024-01-02T03:04:05Z').getFullYear()", json!(2024)),
        ("type(1) == int", json!(true)),
        ("optional.of(1).orValue(2)", json!(1)),
        ("optional.none()", json!(null)),
        ("{1: 'a', true: 'b'}", json!({"1": "a", "true": "b"})),
        ("input.list.filter(x, x != 'a').map(x, x + x)", json!(["bb"])),
        ("input.list.exists(x, x == 'b') && input.list.all(x, size(x) == 1)", json!(true)),
        ("input.list.exists_one(x, x == 'b')", json!(true)),
        ("'b' in input.list", json!(true)),
    ] {
        assert_eq!(value_of(source, input.clone()), expected, "{source}");
    }
}

#[test]
fn a_function_says_what_it_needs() {
    assert_eq!(
        failure_of("[1, 2].join(',')", json!({})),
        "expression_failed: `join`: needs a list of strings; write list.map(x, string(x)) first"
    );
    assert_eq!(
        failure_of("lower(1)", json!({})),
        "expression_failed: `lower`: needs a string, not a int; string(x) makes one"
    );
    assert_eq!(failure_of("lower()", json!({})), "expression_failed: `lower`: needs 1 arguments");
    assert!(failure_of("fromJson('{')", json!({})).starts_with("expression_failed: `fromJson`: this is not JSON"));
    assert!(failure_of("1 / 0", json!({})).contains("division by zero"));
    assert!(failure_of("b'x'", json!({})).contains("string(…)"));
    assert!(failure_of("1.0 / 0.0", json!({})).contains("not a number that JSON can hold"));
}

#[test]
fn loops_within_the_budget_are_computed() {
    let numbers: Vec<u32> = (0..10_000).collect();
    let input = json!({"numbers": numbers, "few": (0..100).collect::<Vec<_>>()});

    assert_eq!(value_of("size(input.numbers.filter(x, x % 2 == 0).map(x, x * x))", input.clone()), json!(5_000));
    assert_eq!(value_of("input.few.all(a, input.few.exists(b, a == b))", input), json!(true));
}

#[test]
fn a_value_that_is_too_large_is_refused() {
    let input = json!({"text": "x".repeat(3 << 20)});

    assert!(value_of("input.text", input.clone()).is_string());
    assert!(failure_of("[input.text, input.text]", input.clone()).starts_with("expression_too_costly"));
    assert!(failure_of("input", json!({"a": "x".repeat(5 << 20)})).starts_with("expression_too_costly"));
    assert!(failure_of("input.text + input.text", input).starts_with("expression_too_costly"));
}

#[test]
fn a_huge_value_does_not_get_into_a_message() {
    let error = failure_of("input.list - 1", json!({"list": vec!["x".repeat(1_000); 1_000]}));

    assert!(error.len() < 300, "{error}");
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z]{1,3}",
        Just("input".to_owned()),
        Just("input.a".to_owned()),
        Just("steps.a.output".to_owned()),
        Just("[1,2]".to_owned()),
        Just(".map(x,".to_owned()),
        Just(".all(y,".to_owned()),
        Just("{'a':".to_owned()),
        Just("has(".to_owned()),
        Just("matches(".to_owned()),
        "[-+*/%<>=!&|?:.,()\\[\\]{}'\"0-9]",
    ];
    prop::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_and_soon(source in prop_oneof![words(), ".{0,200}"]) {
        let start = Instant::now();
        let scope = with_input(json!({"a": [1, "x", null]}));

        if let Ok(expression) = Expression::parse(source) {
            let _ = expression.evaluate(&scope);
        }

        prop_assert!(start.elapsed().as_secs() < 5);
    }

    #[test]
    fn json_comes_back_as_it_went_in(value in json_values()) {
        let scope = with_input(json!({"x": value}));

        prop_assert_eq!(&evaluate("input.x", &scope).unwrap(), &value);
        prop_assert_eq!(&evaluate("[input.x][0]", &scope).unwrap(), &value);
        prop_assert_eq!(&evaluate("fromJson(toJson(input.x))", &scope).unwrap(), &value);
    }
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z$ ]{0,4}", inner, 0..5).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}
