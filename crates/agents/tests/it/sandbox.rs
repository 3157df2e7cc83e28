//! The confinement of children, measured.

use std::{
    io::Write,
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use turbocat_agents::sandbox_report;

use crate::support::{child_program, code, eventually, run};

#[test]
fn the_report_tells_of_every_layer() {
    let report = sandbox_report(&child_program()).unwrap();

    let names: Vec<&str> = report.iter().map(|layer| layer.name.as_str()).collect();
    let expected = [
        "resource_limits",
        "identity",
        "parent_death",
        "no_new_privileges",
        "landlock",
        "descriptors",
        "seccomp",
        "no_files",
        "no_network",
        "no_processes",
        "no_signals",
        "no_environment",
    ];
    assert_eq!(names, expected);
    for layer in &report {
        println!("{layer:?}");
        assert!(!layer.detail.is_empty());
    }
    // Landlock may be missing from a kernel; what an attempt shows must hold without it.
    for layer in report.iter().filter(|layer| layer.name != "landlock") {
        assert!(layer.active, "{layer:?}");
    }
}

#[test]
fn a_child_without_a_request_ends_by_itself() {
    let mut child = Command::new(child_program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"\x05\0\0\0{}").unwrap();

    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.status.signal()), (Some(64), None));
    assert!(output.stdout.is_empty());
}

/// The process that starts an agent in the test below, and is killed.
#[tokio::test]
#[ignore = "a part of `a_child_does_not_outlive_its_host`, which starts it"]
async fn host_of_an_endless_program() {
    run(code("export default () => { for (;;); }")).await.unwrap_err();
}

#[tokio::test]
async fn a_child_does_not_outlive_its_host() {
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "sandbox::host_of_an_endless_program"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let child = eventually("a child of the host", || agent_of(host.id())).await;

    host.kill().unwrap();
    host.wait().unwrap();

    eventually("the end of the child", || (!is_running(child)).then_some(())).await;
}

/// Whether a process runs; the orphaned dead may wait long to be reaped, where nobody does so.
fn is_running(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"));
    status.is_ok_and(|status| !status.lines().any(|line| line.starts_with("State:\tZ")))
}

/// The agent's process that this process has started, once it runs its program.
fn agent_of(host: u32) -> Option<u32> {
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let is_child = status.lines().any(|line| line == format!("PPid:\t{host}"));
        // The last thing that a child gives up is its system calls.
        let is_confined = status.lines().any(|line| line == "Seccomp:\t2");
        (is_child && is_confined).then_some(id)
    })
}
