//! Data agents, honest and hostile.

use std::sync::Arc;

use serde_json::{Value, json};
use turbocat_domain::{
    agent::AgentType,
    execution_log::LogLevel,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::support::{Lines, agents, call, run};

fn data(program: &str) -> AgentCall {
    call(AgentType::Data, json!({ "program": program }))
}

async fn answer(program: &str, inputs: Value) -> Result<Value, StepError> {
    run(AgentCall { inputs, ..data(program) }).await
}

#[tokio::test]
async fn one_output_is_the_answer_and_none_is_null() {
    let orders =
        json!({ "orders": [{ "total": 120, "by": "a" }, { "total": 5, "by": "b" }, { "total": 101, "by": "a" }] });
    let program =
        ".orders | map(select(.total > 100)) | group_by(.by) | map({ key: .[0].by, value: length }) | from_entries";

    assert_eq!(answer(program, orders).await.unwrap(), json!({ "a": 2 }));
    assert_eq!(answer("empty", json!({})).await.unwrap(), Value::Null);
    assert_eq!(answer(".n + 1", json!({ "n": 1 })).await.unwrap(), json!(2));
}

#[tokio::test]
async fn several_outputs_fail_unless_they_are_collected() {
    let error = answer(".[]", json!({ "a": 1, "b": 2 })).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("data_failed", false));

    let mut collected = call(AgentType::Data, json!({ "program": ".[]", "collect": true }));
    collected.inputs = json!({ "a": 1, "b": 2 });
    assert_eq!(run(collected).await.unwrap(), json!([1, 2]));
    let none = call(AgentType::Data, json!({ "program": "empty", "collect": true }));
    assert_eq!(run(none).await.unwrap(), json!([]));
}

#[tokio::test]
async fn a_failing_program_is_told_and_permanent() {
    for (program, part) in [
        (".a.b.c + 1", "index"),
        ("error(\"no such order\")", "no such order"),
        (".[", "expected"),
        ("nonsense", "unknown filter `nonsense` (line 1, column 1)"),
        ("halt", "not available"),
        ("halt_error", "not available"),
    ] {
        let error = answer(program, json!({ "a": 1 })).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), ("data_failed", false), "{program}: {error}");
        assert!(error.message.contains(part), "{program}: {error}");
    }
}

#[tokio::test]
async fn what_would_look_out_of_the_program_is_not_there() {
    for program in
        ["env", "$ENV", "input", "inputs", "now", "import \"a\" as a; 1", "include \"/etc/passwd\"; 1", "$__prog_args"]
    {
        let error = answer(program, json!({})).await.unwrap_err();
        assert_eq!(error.code, "data_failed", "{program}: {error}");
    }
}

#[tokio::test]
async fn debug_writes_to_the_log() {
    let lines = Arc::new(Lines::default());
    let answer = agents().run(data("{ a: 1 } | debug | stderr | .a"), lines.clone()).await.unwrap();

    assert_eq!(answer, json!(1));
    assert_eq!(lines.take(), [(LogLevel::Debug, r#"{"a":1}"#.to_owned()), (LogLevel::Warn, r#"{"a":1}"#.to_owned())]);
}

#[tokio::test]
async fn endless_and_greedy_programs_are_stopped() {
    for program in [
        "def f: f; f",
        "repeat(.)",
        "[range(1e12)]",
        "last(range(1e12))",
        "[limit(1e9; repeat(\"x\" * 1000))]",
        "\"x\" * 1e10",
        "reduce range(1e7) as $i (0; [.])",
        "def f: [f]; f",
        "[recurse([.])]",
    ] {
        let mut endless = call(AgentType::Data, json!({ "program": program, "collect": true }));
        endless.timeout_ms = 1_500;
        let error = run(endless).await.unwrap_err();
        let expected = ["timeout", "out_of_memory", "crashed", "invalid_output", "data_failed"];
        println!("{program}: {error}");
        assert!(expected.contains(&error.code.as_str()), "{program}: {error}");
    }
}

#[tokio::test]
async fn what_json_cannot_hold_is_invalid_output() {
    for program in ["infinite", "{ (0|tojson|tobytes): 1 }", "\"a\" | tobytes", "reduce range(200) as $i (0; [.])"] {
        let error = answer(program, json!({})).await.unwrap_err();
        println!("{program}: {error}");
        assert!(["invalid_output", "data_failed"].contains(&error.code.as_str()), "{program}: {error}");
    }
}
