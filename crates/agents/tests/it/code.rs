//! Code agents, honest and hostile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use turbocat_agents::Agents;
use turbocat_domain::{
    agent::Agent,
    execution_log::LogLevel,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::support::{Lines, agents, child_of, code, config, eventually, exists, run};

async fn failure(source: &str) -> StepError {
    run(code(source)).await.unwrap_err()
}

#[tokio::test]
async fn the_default_export_gets_inputs_and_context_and_its_value_is_the_answer() {
    let mut call = code("export default (inputs, context) => ({ sum: inputs.a + inputs.b, attempt: context.attempt })");
    call.inputs = json!({ "a": 1, "b": 2.5 });

    assert_eq!(run(call).await.unwrap(), json!({ "sum": 3.5, "attempt": 1 }));
}

#[tokio::test]
async fn main_needs_no_export_and_parameters_are_defaults_of_the_inputs() {
    let mut call = code("function main(inputs) { return inputs.greeting + ', ' + inputs.name } // the end");
    let parameters = json!({ "greeting": "Hello", "name": "nobody" });
    call.agent = Arc::new(Agent { parameters, ..Agent::clone(&call.agent) });
    call.inputs = json!({ "name": "cat" });

    assert_eq!(run(call).await.unwrap(), json!("Hello, cat"));
}

#[tokio::test]
async fn a_promise_is_awaited_and_null_is_an_answer() {
    let source = "const ready = await Promise.resolve(20);
        export default async function ({ n }) { let sum = ready; for (let i = 0; i < n; i++) sum += await i; return sum }";
    let mut call = code(source);
    call.inputs = json!({ "n": 100 });

    assert_eq!(run(call).await.unwrap(), json!(4970));
    assert_eq!(run(code("export default () => null")).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn the_console_writes_to_the_log_in_order_while_the_program_runs() {
    let lines = Arc::new(Lines::default());
    let source = "export default () => {
        console.log('text', 1, { a: [true] }, undefined, null); console.warn(new TypeError('oh'));
        console.error('\\ud83d half'); console.debug(Symbol('s')); console.info(10n); return 0 }";

    agents().run(code(source), lines.clone()).await.unwrap();

    let expected = [
        (LogLevel::Info, r#"text 1 {"a":[true]} undefined null"#.to_owned()),
        (LogLevel::Warn, "TypeError: oh (line 2)".to_owned()),
        (LogLevel::Error, r#""\ud83d half""#.to_owned()),
        (LogLevel::Debug, "symbol".to_owned()),
        (LogLevel::Info, "10".to_owned()),
    ];
    assert_eq!(lines.take(), expected);
}

#[tokio::test]
async fn a_thrown_error_is_told_with_its_line_and_is_permanent() {
    let error = failure("export default function () {\n  const x = 1;\n  throw new RangeError('too much');\n}").await;

    assert_eq!((error.code.as_str(), error.retryable), ("code_failed", false));
    assert_eq!(error.message, "RangeError: too much (line 3)");
    assert_eq!(failure("export default () => { throw { why: 'no' } }").await.message, r#"thrown: {"why":"no"}"#);
    assert_eq!(failure("export default async () => { throw 'no' }").await.message, "thrown: no");
}

#[tokio::test]
async fn a_program_that_cannot_be_parsed_or_has_no_function_is_told_so() {
    let error = failure("export default function () {\n  return (;\n}").await;
    assert_eq!(error.code, "code_failed");
    assert!(error.message.starts_with("SyntaxError: ") && error.message.ends_with("(line 2)"), "{error}");

    let error = failure("const x = 1").await;
    assert_eq!(error.code, "code_failed");
    assert!(error.message.contains("function main(inputs, context)"), "{error}");
}

#[tokio::test]
async fn nothing_returned_is_no_output_and_what_is_no_json_is_invalid_output() {
    let error = failure("export default () => {}").await;
    assert_eq!((error.code.as_str(), error.retryable), ("no_output", false));

    for source in [
        "export default () => () => 1",
        "export default () => 10n",
        "export default () => { const a = {}; a.a = a; return a }",
    ] {
        let error = failure(source).await;
        assert_eq!((error.code.as_str(), error.retryable), ("invalid_output", false), "{source}: {error}");
    }
    let deep = failure("export default () => { let a = []; for (let i = 0; i < 200; i++) a = [a]; return a }").await;
    assert_eq!(deep.code, "invalid_output", "{deep}");
}

#[tokio::test]
async fn text_with_nul_and_half_of_a_pair_arrives_as_text() {
    let answer = run(code("export default () => ['a\\0b', '\\ud83d', '\\u{1f63a}', '\\\\ud83d']")).await.unwrap();

    assert_eq!(answer, json!(["a\0b", "\u{FFFD}", "\u{1f63a}", "\\ud83d"]));
}

#[tokio::test]
async fn a_program_that_does_not_end_is_stopped_at_its_deadline() {
    for source in [
        "export default () => { for (;;); }",
        "export default () => { for (;;) { try { for (;;); } catch {} } }",
        "export default async () => { for (;;) await 0 }",
        "for (;;);",
        "export default () => ({ toJSON() { for (;;); } })",
        "export default () => { throw { toString() { for (;;); }, toJSON() { for (;;); } } }",
        "export default () => { throw Object.assign(new Error(), { get message() { for (;;); } }) }",
        "export default () => /^(a+)+$/.test('a'.repeat(40) + 'b')",
        "export default () => { const n = 2n ** 500000n - 1n; for (;;) (n * n).toString() }",
    ] {
        let mut call = code(source);
        call.timeout_ms = 400;
        let begun = Instant::now();
        let error = run(call).await.unwrap_err();

        let stopped = matches!(error.code.as_str(), "timeout" | "out_of_memory");
        assert!(stopped && (error.code != "timeout" || error.retryable), "{source}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{source}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn the_time_of_the_agent_bounds_the_attempt_too() {
    let mut call = code("export default () => { for (;;); }");
    call.agent = Arc::new(Agent { max_execution_time: Some(1), ..Agent::clone(&call.agent) });

    assert_eq!(run(call).await.unwrap_err().code, "timeout");
}

#[tokio::test]
async fn memory_past_the_limit_is_out_of_memory() {
    for source in [
        "export default () => { const all = []; for (;;) all.push('x'.repeat(1e6) + all.length) }",
        "export default () => new Uint8Array(1e9).length",
        "export default () => { const all = []; for (;;) all.push({}) }",
        "export default () => { let a = null; for (;;) a = [a] }",
    ] {
        let error = failure(source).await;
        println!("{source}: {error}");
        assert_eq!((error.code.as_str(), error.retryable), ("out_of_memory", false), "{source}: {error}");
    }
}

#[tokio::test]
async fn deep_recursion_is_an_error_of_the_program() {
    for source in [
        "function f() { return 1 + f() } export default f",
        "export default () => { const f = () => [1].map(f); return f() }",
        "export default () => JSON.parse('['.repeat(1e6))",
        "export default () => new RegExp('('.repeat(1e5))",
        "export default () => { let s = 'x'; for (;;) s += s }",
    ] {
        let error = failure(source).await;
        assert!(!error.retryable, "{source}: {error}");
        assert!(error.code == "code_failed" || error.code == "out_of_memory", "{source}: {error}");
    }
}

#[tokio::test]
async fn too_large_an_answer_fails_as_such_and_too_much_log_is_cut_with_a_count() {
    let mut call = code("export default () => 'x'.repeat(50e6)");
    call.agent = Arc::new(Agent { max_memory_mb: Some(512), ..Agent::clone(&call.agent) });
    let error = run(call).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("output_too_large", false), "{error}");

    let lines = Arc::new(Lines::default());
    let chatter = code("export default () => { for (let i = 0; i < 10500; i++) console.log(i); return 1 }");
    agents().run(chatter, lines.clone()).await.unwrap();
    let lines = lines.take();
    assert_eq!(lines.len(), 10_001);
    assert_eq!(lines.last().unwrap().1, "500 more lines were dropped: an attempt may print 10000");
}

#[tokio::test]
async fn a_promise_that_nobody_resolves_is_told_at_once() {
    let begun = Instant::now();
    let error = failure("export default () => new Promise(() => {})").await;

    assert_eq!(error.code, "code_failed");
    assert!(error.message.contains("never resolved"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn there_is_no_way_to_a_file_a_socket_the_environment_or_another_module() {
    let names = "require process std os fetch XMLHttpRequest WebSocket Deno Bun setTimeout Worker";
    let source = format!("export default () => '{names}'.split(' ').filter(name => name in globalThis)");
    assert_eq!(run(code(&source)).await.unwrap(), json!([]));

    for source in [
        "import * as std from 'std'; export default () => std.getenv('PATH')",
        "import fs from '/etc/passwd'; export default () => 1",
        "export default () => import('os')",
        "export default () => import('file:///etc/passwd')",
    ] {
        assert_eq!(failure(source).await.code, "code_failed", "{source}");
    }
}

#[tokio::test]
async fn killing_the_child_is_a_crash_that_another_attempt_may_mend() {
    let call = code("export default () => { console.log('on'); for (;;); }");
    let (lines, agents, watched) = (Arc::new(Lines::default()), agents(), call.clone());
    let attempt = tokio::spawn({
        let lines = lines.clone();
        async move { agents.run(call, lines).await }
    });
    eventually("the program's first line", || (!lines.is_empty()).then_some(())).await;
    kill_child(&watched);

    let error = attempt.await.unwrap().unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("crashed", true), "{error}");
}

#[tokio::test]
async fn dropping_the_future_kills_and_reaps_the_child() {
    let agents = Arc::new(agents());
    for moment in 0..3 {
        let call = code("export default () => { console.log('on'); for (;;); }");
        let (lines, watched) = (Arc::new(Lines::default()), call.clone());
        let attempt = tokio::spawn({
            let (agents, lines) = (agents.clone(), lines.clone());
            async move { agents.run(call, lines).await }
        });
        let child = eventually("a child", || child_of(&watched)).await;
        if moment > 0 {
            eventually("the program's first line", || (!lines.is_empty()).then_some(())).await;
        }
        attempt.abort();

        eventually("the end of the child", || (!exists(child)).then_some(())).await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_child_that_answered() {
    let call = code("export default () => { console.log('on'); return 1 }");
    let agents = agents();
    agents.run(call.clone(), Arc::new(Lines::default())).await.unwrap();

    assert_eq!(child_of(&call), None);
}

#[tokio::test]
async fn no_more_children_run_at_once_than_are_allowed() {
    let agents = Arc::new(Agents::new(turbocat_agents::AgentsConfig { children_max: 1, ..config() }).unwrap());
    let first = code("export default () => { console.log('on'); for (;;); }");
    let (lines, watched) = (Arc::new(Lines::default()), first.clone());
    let attempt = tokio::spawn({
        let (agents, lines) = (agents.clone(), lines.clone());
        async move { agents.run(first, lines).await }
    });
    eventually("the program's first line", || (!lines.is_empty()).then_some(())).await;
    let second = code("export default () => 2");
    let waiting = tokio::spawn({
        let (agents, second) = (agents.clone(), second.clone());
        async move { agents.run(second, Arc::new(Lines::default())).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished() && child_of(&second).is_none());

    kill_child(&watched);
    attempt.await.unwrap().unwrap_err();
    assert_eq!(waiting.await.unwrap().unwrap(), json!(2));
}

#[tokio::test]
async fn a_child_program_that_is_not_there_is_told() {
    let config = turbocat_agents::AgentsConfig { child_program: "/nowhere/turbocat".into(), ..config() };
    let agents = Agents::new(config).unwrap();

    let error = agents.run(code("export default () => 1"), Arc::new(Lines::default())).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("crashed", true));
}

fn kill_child(call: &AgentCall) {
    let child = child_of(call).unwrap();
    kill(Pid::from_raw(i32::try_from(child).unwrap()), Signal::SIGKILL).unwrap();
}
