//! The rewritten tree means what was written: the library's own evaluation of the tree as it was parsed is
//! the oracle.

use std::cell::Cell;

use ::cel::parser::PrattParser;
use proptest::test_runner::TestRunner;

use super::*;

fn input() -> Value {
    json!({"n": 3, "f": 0.5, "text": "ab", "list": [1, 2, 3], "texts": ["a", "b"], "map": {"k": 1, "l": [2]}, "none": null})
}

/// The value that the library gives without any of our rewriting; `None` if it fails.
fn oracle(source: &str) -> Option<Value> {
    let tree = PrattParser::new().enable_optional_syntax(true).parse(source).ok()?;
    let input = input();
    let mut context = Context::with_env(Arc::clone(&LIBRARY));
    context.add_variable_as_val("input", convert::to_cel(&input));
    let value = CelValue::resolve_val(&tree, &context).ok()?;
    convert::to_json(&*value, EXPRESSION_OUTPUT_BYTES_MAX).ok()
}

/// Expressions of right types: most of them have a value.
fn typed(kind: char, depth: u32) -> BoxedStrategy<String> {
    // A loop at a depth has the variable of that depth, which loops and whatever is inside of them may read.
    let leaves: &[&str] = match kind {
        'n' => &["1", "2", "-3", "input.n", "input.list[1]", "input.map.k", "size(input.text)", "v2", "v1"],
        'b' => {
            &["true", "false", "has(input.map.k)", "has(input.gone)", "input.n > 2", "input.none == null", "v2 == 2"]
        }
        't' => &["'a'", "''", "input.text", "input.texts[0]", "string(input.n)"],
        _ => &["input.list", "[]", "[1, 2]", "input.map.l", "[input.n]"],
    };
    let leaf = prop::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    let Some(below) = depth.checked_sub(1) else { return leaf.boxed() };
    let of = |kind| typed(kind, below);
    let in_loop =
        |kind, body| (of('l'), of(body)).prop_map(move |(list, body)| format!("({list}).{kind}(v{depth}, {body})"));
    let shared = (of('b'), of(kind), of(kind)).prop_map(|(test, a, b)| format!("({test} ? {a} : {b})"));
    let own = match kind {
        'n' => prop_oneof![
            (of('n'), prop::sample::select(&["+", "-", "*"][..]), of('n'))
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            of('l').prop_map(|list| format!("size({list})")),
            of('t').prop_map(|text| format!("({text}).size()")),
        ]
        .boxed(),
        'b' => prop_oneof![
            (of('n'), prop::sample::select(&["<", "==", "!="][..]), of('n'))
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (of('b'), prop::sample::select(&["&&", "||"][..]), of('b'))
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (of('l'), of('l')).prop_map(|(a, b)| format!("({a} == {b})")),
            (of('n'), of('l')).prop_map(|(a, b)| format!("({a} in {b})")),
            (of('t'), of('t')).prop_map(|(a, b)| format!("({a}).contains({b})")),
            in_loop("all", 'b'),
            in_loop("exists", 'b'),
            in_loop("exists_one", 'b'),
        ]
        .boxed(),
        't' => (of('t'), of('t')).prop_map(|(a, b)| format!("({a} + {b})")).boxed(),
        _ => prop_oneof![
            in_loop("map", 'n'),
            in_loop("filter", 'b'),
            (of('l'), of('l')).prop_map(|(a, b)| format!("({a} + {b})")),
            (of('n'), of('n')).prop_map(|(a, b)| format!("[{a}, {b}]")),
        ]
        .boxed(),
    };
    prop_oneof![1 => leaf, 3 => own, 1 => shared].boxed()
}

/// Expressions of any form: most of them fail.
fn untyped() -> impl Strategy<Value = String> {
    const LEAVES: &[&str] = &[
        "0",
        "1",
        "2",
        "0.5",
        "'a'",
        "'ab'",
        "true",
        "false",
        "null",
        "x",
        "y",
        "input.n",
        "input.f",
        "input.text",
        "input.list",
        "input.texts",
        "input.map",
        "input.map.k",
        "input.map.gone.k",
        "input['list'][1]",
        "input.none",
        "input.?gone",
        "has(input.map.k)",
        "has(input.map.gone)",
        "has(input.gone.k)",
        "input.list[9]",
        "int",
    ];
    let leaf = prop::sample::select(LEAVES).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        const BINARY: &[&str] = &["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"];
        const CALLS: &[&str] = &["size", "string", "int", "double", "bool", "type", "-", "!"];
        const LOOPS: &[&str] = &["map", "filter", "all", "exists", "exists_one"];
        const METHODS: &[&str] = &["contains", "startsWith", "orValue"];
        let one = inner.clone();
        let two = (inner.clone(), inner.clone());
        let three = (inner.clone(), inner.clone(), inner);
        prop_oneof![
            (prop::sample::select(BINARY), two.clone()).prop_map(|(op, (a, b))| format!("({a} {op} {b})")),
            (prop::sample::select(CALLS), one.clone()).prop_map(|(call, a)| format!("{call}({a})")),
            (prop::sample::select(LOOPS), two.clone(), "[xy]")
                .prop_map(|(name, (a, b), x)| format!("({a}).{name}({x}, {b})")),
            (prop::sample::select(METHODS), two.clone()).prop_map(|(name, (a, b))| format!("({a}).{name}({b})")),
            three.prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            two.clone().prop_map(|(a, b)| format!("{{'k': {a}, 'l': {b}}}")),
            two.prop_map(|(a, b)| format!("({a})[{b}]")),
            one.prop_map(|a| format!("({a}).k")),
        ]
    })
}

/// Whether an expression may loop over a map, or add one to a list: the library does so in no order, so it cannot tell
/// what is right.
fn loops_over_a_map(source: &str) -> bool {
    let maps = source.contains("{'k'") || source.contains("input.map") || source.contains("input)");
    maps && [".map(", ".filter(", ".all(", ".exists", " + "].iter().any(|call| source.contains(call))
}

#[test]
fn a_loop_over_a_map_goes_by_the_order_of_its_keys() {
    let sources = [
        "{'b': 1, 'c': 2, 'a': 3}.map(key, key)",
        "input.map(key, key)",
        "input.filter(key, true)",
        "[] + {'b': 1, 'c': 2, 'a': 3}",
        "[] + input",
        "[] + (input.size() > 1 ? input : [])",
    ];
    for source in sources {
        let expression = Expression::parse(source).unwrap();
        for _ in 0..20 {
            let value = expression.evaluate(&with_input(json!({"b": 1, "c": 2, "a": 3}))).unwrap();
            assert_eq!(value, json!(["a", "b", "c"]), "{source}");
        }
    }
}

#[test]
fn a_rewritten_expression_means_what_was_written() {
    let (values, failures) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) };
    let expressions = prop_oneof![untyped(), typed('b', 3), typed('n', 3), typed('l', 3)];
    let result = TestRunner::new(config).run(&expressions, |source| {
        // Names that exist nowhere are refused before anything is evaluated.
        if let Ok(expression) = Expression::parse(source.as_str()) {
            if loops_over_a_map(&source) {
                let values: Vec<_> = (0..4).map(|_| expression.evaluate(&with_input(input())).ok()).collect();
                prop_assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "{source} has no order: {values:?}");
                return Ok(());
            }
            let expected = oracle(&source);
            let counter = if expected.is_some() { &values } else { &failures };
            counter.set(counter.get() + 1);
            prop_assert_eq!(expression.evaluate(&with_input(input())).ok(), expected, "{}", source);
        }
        Ok(())
    });

    assert_eq!(result, Ok(()));
    let (values, failures) = (values.get(), failures.get());
    println!("{values} values and {failures} failures are the same");
    assert!(values > 300 && failures > 300, "{values} values, {failures} failures: too few to say anything");
}
