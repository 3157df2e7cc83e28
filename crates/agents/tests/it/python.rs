//! Code agents in Python; skipped, with the reason, where there is none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use turbocat_agents::{Agents, AgentsConfig};
use turbocat_domain::{agent::AgentType, execution_log::LogLevel, port::AgentRunner, step_run::StepError};

use crate::support::{Lines, agents, config, has_python, python};

async fn answer(agents: &Agents, source: &str, inputs: Value) -> Result<Value, StepError> {
    let mut call = python(source);
    call.inputs = inputs;
    agents.run(call, Arc::new(Lines::default())).await
}

#[tokio::test]
async fn main_gets_inputs_and_context_and_its_value_is_the_answer() {
    let agents = agents();
    if !has_python(&agents).await {
        return;
    }
    let source =
        "def main(inputs, context):\n    return {'sum': inputs['a'] + inputs['b'], 'attempt': context['attempt']}";
    let given = json!({ "a": 1, "b": 2.5 });
    assert_eq!(answer(&agents, source, given).await.unwrap(), json!({ "sum": 3.5, "attempt": 1 }));

    assert_eq!(answer(&agents, "def main(i, c): pass", json!({})).await.unwrap(), Value::Null);
    let texts = "def main(i, c): return ['a\\0b', '\\ud83d', '\\U0001f63a', i['é']]";
    let texts = answer(&agents, texts, json!({ "é": "ü" })).await.unwrap();
    assert_eq!(texts, json!(["a\0b", "\u{FFFD}", "\u{1f63a}", "ü"]));
}

#[tokio::test]
async fn the_standard_library_is_there() {
    let agents = agents();
    if !has_python(&agents).await {
        return;
    }
    let source = "
import csv, datetime, decimal, hashlib, io, itertools, math, re, statistics, zlib
def main(inputs, context):
    rows = list(csv.DictReader(io.StringIO(inputs['csv'])))
    return {
        'mean': statistics.mean(int(row['n']) for row in rows),
        'sum': str(sum(decimal.Decimal(row['n']) for row in rows)),
        'sha256': hashlib.sha256(b'x').hexdigest()[:8],
        'found': re.findall('[a-z]+', inputs['csv']),
        'packed': len(zlib.compress(b'x' * 1000)) < 50,
        'day': datetime.date(2026, 1, 31).strftime('%A'),
    }
";
    let found = answer(&agents, source, json!({ "csv": "n,m\n1,a\n3,b\n" })).await.unwrap();

    let expected = json!({
        "mean": 2, "sum": "4", "sha256": "2d711642", "found": ["n", "m", "a", "b"], "packed": true, "day": "Saturday",
    });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_is_printed_is_lines_of_the_log_while_the_program_runs() {
    let agents = agents();
    if !has_python(&agents).await {
        return;
    }
    let lines = Arc::new(Lines::default());
    let source = "
import sys, logging
def main(inputs, context):
    print('one', 2, end='')
    print(', three')
    print('bad', file=sys.stderr)
    logging.warning('worse')
    print('x' * 20000)
    print('no end', end='')
";
    agents.run(python(source), lines.clone()).await.unwrap();

    let lines = lines.take();
    assert_eq!(lines[0], (LogLevel::Info, "one 2, three".to_owned()));
    assert_eq!(lines[1], (LogLevel::Warn, "bad".to_owned()));
    assert_eq!(lines[2], (LogLevel::Warn, "WARNING:root:worse".to_owned()));
    assert!(lines[3].1.len() < 8_300 && lines[3].1.ends_with("(20000 bytes in all)"), "{}", lines[3].1.len());
    assert_eq!(lines.last().unwrap(), &(LogLevel::Info, "no end".to_owned()));
}

#[tokio::test]
async fn how_a_program_fails_is_told_with_its_line_and_kind() {
    let agents = agents();
    if !has_python(&agents).await {
        return;
    }
    for (source, code, message) in [
        ("def main(i, c):\n    x = 1\n    raise ValueError('no')", "code_failed", "ValueError: no (line 3)"),
        ("def main(i, c):\n    return i['x']", "code_failed", "KeyError: 'x' (line 2)"),
        ("def main(i, c):\n    return (\n", "code_failed", "SyntaxError: '(' was never closed (line 2)"),
        ("x = 1", "code_failed", "the program has no function `main(inputs, context)`"),
        ("async def main(i, c): pass", "code_failed", "`main` is a coroutine; write `def main`, there is nothing"),
        ("def main(i, c): exit(3)", "code_failed", "NameError: name 'exit' is not defined"),
        ("import sys\ndef main(i, c): sys.exit(3)", "code_failed", "the program asked to exit; return a value"),
        ("def main(i, c): return {1, 2}", "invalid_output", "the answer cannot be JSON: Object of type set"),
        ("def main(i, c): return float('nan')", "invalid_output", "the answer cannot be JSON: Out of range"),
        ("def main(i, c): return 'x' * (5 << 20)", "output_too_large", "the answer has 5242882 bytes as JSON"),
        ("def main(i, c): return len(bytearray(1 << 30))", "out_of_memory", "the program needs more than its 64 MiB"),
        ("import os\ndef main(i, c): os._exit(3)", "crashed", "the child process ended without an answer"),
        ("import numpy", "code_failed", "ModuleNotFoundError: No module named 'numpy' (line 1)"),
    ] {
        let error = answer(&agents, source, json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), (code, false), "{source}: {error}");
        assert!(error.message.starts_with(message), "{source}: {error}");
    }
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_ended() {
    let agents = agents();
    if !has_python(&agents).await {
        return;
    }
    let mut call = python("import time\ndef main(i, c): time.sleep(60)");
    call.timeout_ms = 300;
    let began = Instant::now();

    let error = agents.run(call, Arc::new(Lines::default())).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("timeout", true));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_program_is_parsed_when_its_agent_is_published_and_not_run() {
    let agents = agents();
    if !has_python(&agents).await {
        return;
    }
    let code = |source: &str| json!({ "language": "python", "source": source });
    assert_eq!(agents.check(AgentType::Code, &code("raise ValueError\ndef main(i, c): pass")).await, Ok(()));

    let problems = agents.check(AgentType::Code, &code("def main(:")).await.unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(), ["source"]);
    assert!(problems.to_string().contains("SyntaxError: invalid syntax (line 1)"), "{problems}");
}

#[tokio::test]
async fn an_interpreter_that_is_none_is_told_with_what_to_do() {
    let agents = Agents::new(AgentsConfig { python: Some("/bin/true".into()), ..config() }).unwrap();

    let error = answer(&agents, "def main(i, c): pass", json!({})).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("no_python", false));
    assert!(error.message.contains("/bin/true") && error.message.contains("TURBOCAT_PYTHON"), "{error}");
    let problems = agents.check(AgentType::Code, &json!({ "language": "python", "source": "x" })).await.unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(), ["language"]);
}
