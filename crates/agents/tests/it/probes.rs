//! What hostile programs try: none gets what it wants, none outlives its step, none does more than its limits allow.
//!
//! A probe is a heading and the body of a function that fails, or returns what it got hold of: a probe that returns
//! has broken out. `probes.*` are told at once that they may not, `slow.*` only end when they are ended.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use turbocat_agents::Agents;
use turbocat_domain::{
    agent::AgentType,
    port::{AgentCall, AgentRunner},
    step_run::StepError,
};

use crate::support::{Lines, agents, call, code, eventually, has_python, python};

/// What must not be in anything that comes back.
const CANARY: &str = "canary-5b1f9c";
/// How long a program may take that does not end by itself.
const SLOW_MS: u64 = 700;
/// How long after its time nothing of a program may be left.
const AFTER: Duration = Duration::from_secs(1);

/// A name and a body.
type Probe = (&'static str, &'static str);

fn probes(text: &'static str) -> Vec<Probe> {
    let probes = text.split("### ").skip(1).map(|probe| probe.split_once('\n').unwrap());
    probes.map(|(name, body)| (name, body.trim_end())).collect()
}

/// What a machine has that a program must not reach.
struct Prey {
    folder: PathBuf,
    server: TcpListener,
}

impl Prey {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("turbocat-prey-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("file"), CANARY).unwrap();
        for (path, mode) in [(folder.clone(), 0o777), (folder.join("file"), 0o666)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        Self { folder, server }
    }

    fn inputs(&self) -> Value {
        json!({
            "file": self.folder.join("file"), "folder": self.folder, "host": std::process::id(),
            "port": self.server.local_addr().unwrap().port(), "clock": 0,
        })
    }

    /// Everything is as it was, and nobody knocked.
    fn check(&self) {
        let entries: Vec<_> = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(entries, ["file"], "something was written");
        assert_eq!(fs::read_to_string(self.folder.join("file")).unwrap(), CANARY);
        assert!(self.server.accept().is_err(), "somebody connected");
        assert!(!Path::new("/tmp/turbocat-probe").exists(), "something was written to the temporary folder");
    }
}

impl Drop for Prey {
    fn drop(&mut self) {
        // The system cleans up what this leaves.
        let _ignored = fs::remove_dir_all(&self.folder);
    }
}

fn in_python(body: &str) -> AgentCall {
    let body = body.replace('\n', "\n    ");
    let imports = "import json, os, socket, subprocess, tempfile, threading, time";
    python(&format!("{imports}\ndef main(inputs, context):\n    {body}\n    return 'escaped'\n"))
}

fn in_javascript(body: &str) -> AgentCall {
    code(&format!("export default async (inputs, context) => {{\n{body}\nreturn 'escaped'\n}}"))
}

fn in_jq(body: &str) -> AgentCall {
    call(AgentType::Data, json!({ "program": body }))
}

/// How a probe went.
struct Outcome {
    name: &'static str,
    result: Result<Value, StepError>,
    printed: String,
    took: Duration,
}

/// Runs all probes, a few at a time.
async fn all(agents: Arc<Agents>, probes: Vec<Probe>, make: fn(&str) -> AgentCall, with: (&Prey, u64)) -> Vec<Outcome> {
    const AT_ONCE: usize = 4;
    let (mut running, mut outcomes) = (JoinSet::new(), Vec::new());
    for (name, body) in probes {
        if running.len() == AT_ONCE {
            outcomes.extend(running.join_next().await.map(Result::unwrap));
        }
        let call = AgentCall { inputs: with.0.inputs(), timeout_ms: with.1, ..make(body) };
        let agents = Arc::clone(&agents);
        running.spawn(async move {
            let (lines, began) = (Arc::new(Lines::default()), Instant::now());
            let result = agents.run(call, lines.clone()).await;
            Outcome { name, result, printed: format!("{:?}", lines.take()), took: began.elapsed() }
        });
    }
    outcomes.extend(running.join_all().await);
    outcomes
}

/// Runs probes of which each is refused or ended, and shows how.
async fn hold(language: &str, texts: (&'static str, &'static str), make: fn(&str) -> AgentCall) {
    const AT_ONCE_MS: u64 = 20_000;
    let agents = Arc::new(agents());
    let prey = Prey::new(language);
    let mut count = 0;
    for (text, timeout_ms) in [(texts.0, AT_ONCE_MS), (texts.1, SLOW_MS)] {
        for outcome in all(Arc::clone(&agents), probes(text), make, (&prey, timeout_ms)).await {
            let Outcome { name, result, printed, took } = outcome;
            count += 1;
            println!("{language}: {name}: {:?}", result.as_ref().map_err(|error| (&error.code, &error.message)));
            let error = result.expect_err(name);
            let told = format!("{error:?} {printed}");
            assert!(!told.contains(CANARY), "{name} has read it: {told}");
            assert!(took < Duration::from_millis(timeout_ms) + AFTER, "{name} went on for {took:?}");
            if timeout_ms == AT_ONCE_MS {
                assert_ne!(error.code, "timeout", "{name} was not refused");
            }
        }
    }
    prey.check();
    println!("{language}: {count} probes, none got through");
    drop(agents);
    eventually("the end of all children", || children().is_empty().then_some(())).await;
}

/// What this process has started and what still runs; zombies do not.
fn children() -> Vec<String> {
    let parent = format!("PPid:\t{}", std::process::id());
    let statuses = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    let is_running = |status: &String| !status.lines().any(|line| line.starts_with("State:\tZ"));
    statuses.filter(|status| status.lines().any(|line| line == parent)).filter(is_running).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_program_in_python_gets_out() {
    if has_python(&agents()).await {
        hold("python", (include_str!("probes/probes.py"), include_str!("probes/slow.py")), in_python).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_program_in_javascript_gets_out() {
    hold("javascript", (include_str!("probes/probes.js"), include_str!("probes/slow.js")), in_javascript).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_program_in_jq_gets_out() {
    hold("jq", (include_str!("probes/probes.jq"), include_str!("probes/slow.jq")), in_jq).await;
}

#[test]
fn there_are_more_than_a_hundred() {
    let texts = [
        include_str!("probes/probes.py"),
        include_str!("probes/slow.py"),
        include_str!("probes/probes.js"),
        include_str!("probes/slow.js"),
        include_str!("probes/probes.jq"),
        include_str!("probes/slow.jq"),
    ];
    let names: Vec<&str> = texts.into_iter().flat_map(probes).map(|(name, _)| name).collect();

    assert!(names.len() >= 200, "{}", names.len());
}
