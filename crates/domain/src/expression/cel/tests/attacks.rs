//! Expressions that are written to do harm.

use super::*;

/// Every attack must end as too costly, or with a value, and soon.
#[test]
fn attacks_end_soon() {
    let list: Vec<u32> = (0..2_000).collect();
    let objects: Vec<Value> = (0..2_000).map(|n| json!({"id": n, "text": "x".repeat(100)})).collect();
    let input = json!({"big": list, "objects": objects, "text": "x".repeat(1 << 20), "word": "word"});
    let doubling = |seed: &str, step: &str| format!("{seed}{}", step.repeat(40));
    let attacks = [
        "input.big.all(a, input.big.all(b, a + b >= 0))".to_owned(),
        "input.big.map(a, input.big.map(b, input.big.map(c, a)))".to_owned(),
        "input.big.exists(a, input.big.exists(b, input.big.exists(c, a + b + c < 0)))".to_owned(),
        "input.big.all(a, input.objects == input.objects)".to_owned(),
        "input.big.all(a, input.objects != [1] && input.text == input.text + 'x' || true)".to_owned(),
        "input.big.map(a, input.text)".to_owned(),
        "input.big.map(a, [input.objects])".to_owned(),
        "input.big.all(a, (input.objects - 1 == 0) || true)".to_owned(),
        "input.big.all(a, input.text.replace('x', input.word) == '')".to_owned(),
        "input.text.replace('', input.text)".to_owned(),
        "input.big.map(x, string(x)).join(input.text)".to_owned(),
        "input.big.all(a, 'x'.split(input.text)[0] != '' )".to_owned(),
        "input.big.all(a, input.text.matches('(x+x+)+y' + string(a)) == false)".to_owned(),
        "input.big.all(a, input.text.matches('(x+x+)+y') == false)".to_owned(),
        "input.word.matches('(\\\\w{1000}){1000}' + '')".to_owned(),
        doubling("['xxxxxxxx']", ".map(a,a+a)"),
        doubling("[[1]]", ".map(a,[a,a])"),
        doubling("[[1]]", ".map(a,a+a)"),
        doubling("[{'a':1}]", ".map(a,{'b':a,'c':a})"),
        doubling("input.text", "+input.text"),
        "[1,2,3,4,5,6,7,8,9,10].map(a,[1,2,3,4,5,6,7,8,9,10].map(b,[1,2,3,4,5,6,7,8,9,10].map(c,[1,2,3,4,5,6,7,8,9,10].map(d,[1,2,3,4,5,6,7,8,9,10].map(e,[1,2,3,4,5,6,7,8,9,10].map(f,[1,2,3,4,5,6,7,8,9,10].map(g,[1,2,3,4,5,6,7,8,9,10].map(h,'x'))))))))".to_owned(),
        "input.big.map(x, input.objects.filter(o, o.id == x))".to_owned(),
        "input.big.all(x, input.objects.map(o, o.text.upper()).join('') != '')".to_owned(),
        "input.big.all(x, size(toJson(input.objects)) > 0)".to_owned(),
        "input.big.all(x, size(fromJson(toJson(input.objects))) > 0)".to_owned(),
    ];
    let scope = with_input(input);
    let mut stopped = 0;

    for attack in &attacks {
        let start = Instant::now();
        let result = evaluate(attack, &scope);
        let spent = start.elapsed();
        if let Err(error) = &result {
            let is_refused_pattern = error.message.contains("exceeds size limit");
            assert!(error.code == "expression_too_costly" || is_refused_pattern, "{attack}: {error}");
            stopped += 1;
        }
        // Unoptimised, on a loaded machine: ten times what a release build takes.
        assert!(spent.as_secs() < 20, "{attack} took {spent:?}");
        println!(
            "{spent:>12?} {} {}",
            if result.is_ok() { "value  " } else { "stopped" },
            attack.get(..60).unwrap_or(attack)
        );
    }
    assert!(stopped >= 18, "only {stopped} of {} attacks were stopped", attacks.len());
}

/// What made other parsers take a gigabyte, or overflow the stack.
#[test]
fn parser_bombs_are_refused_on_a_small_stack() {
    let bombs = [
        "(".repeat(2_000),
        format!("{}1{}", "(".repeat(900), ")".repeat(900)),
        "[".repeat(2_000),
        "{1:".repeat(600),
        "!".repeat(2_000) + "true",
        "-".repeat(2_000) + "1",
        "1+".repeat(1_000) + "1",
        "a.".repeat(1_000) + "a",
        format!("input{}", ".a".repeat(1_000)),
        format!("input{}", "[0]".repeat(600)),
        format!("input{}", "[input]".repeat(200)),
        "true?".repeat(400) + "1",
        "true?1:".repeat(250) + "1",
        "true||".repeat(300) + "true",
        "1==".repeat(600) + "1",
        "input.all(x,".repeat(160),
        "[1].map(x,".repeat(80) + "x" + &")".repeat(80),
        format!("[1]{}", ".map(x,x)".repeat(200)),
        format!("''{}", ".trim()".repeat(280)),
        format!("''{}", ".?a".repeat(600)),
        "size(".repeat(300) + "''" + &")".repeat(300),
        "\"\\".repeat(500),
        "'''".repeat(500),
        "\u{0}\u{1}\u{feff}".repeat(100),
        "((((((((((a)b)c)d)e)f)g)h)i)j".repeat(50),
        "[[[[[[[[[[{{{{{{{{{{((((((((((".repeat(60),
    ];

    // The workers of the runtime have twice as much.
    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let mut values = 0;
        for bomb in &bombs {
            let start = Instant::now();
            if let Ok(expression) = Expression::parse(bomb.as_str()) {
                values += usize::from(expression.evaluate(&with_input(json!({"a": 1}))).is_ok());
            }
            assert!(start.elapsed().as_secs() < 5, "{bomb}");
        }
        println!("{values} of {} bombs have a value", bombs.len());
    });

    small.unwrap().join().unwrap();
}

#[test]
fn the_deepest_tree_that_is_accepted_is_evaluated_on_a_small_stack() {
    let deep = [
        format!("{}1", "1+".repeat(120)),
        format!("{}x{}", "[1].map(x,".repeat(20), ")".repeat(20)),
        format!("[1]{}", ".map(x,x)".repeat(60)),
        format!("{}1", "[1].map(x,x)[0]+".repeat(120)),
        format!("'a'{}", ".trim().lower()".repeat(60)),
        format!("{}true{}", "(true && ".repeat(40), ")".repeat(40)),
        format!("{}1{}", "[".repeat(40), "]".repeat(40)),
    ];

    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        for source in &deep {
            if let Err(error) = evaluate(source, &Fixture::default()) {
                panic!("{source}: {error}");
            }
        }
    });

    small.unwrap().join().unwrap();
}
