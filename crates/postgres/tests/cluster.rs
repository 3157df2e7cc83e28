//! The life of a cluster: shared by processes, stopped by the last one however it ends, its data kept.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in a helper"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use turbocat_postgres::{Cluster, ClusterError, ClusterOptions, DATABASE, Installation};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);
/// How long the servers of these tests linger, unless a test says otherwise.
const LINGER: Duration = Duration::from_millis(400);

/// A folder of its own for a test's cluster; it ends with the test, and waits for its server to.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tcpg-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { path }
    }

    fn root(&self) -> PathBuf {
        self.path.join("pg")
    }

    fn options(&self) -> ClusterOptions {
        let installation = Installation::find().unwrap();
        ClusterOptions { root: self.root(), installation, durable: false, linger: LINGER }
    }

    fn open(&self) -> Cluster {
        Cluster::open(&self.options()).unwrap()
    }

    fn holder(&self, linger: Duration) -> Holder {
        Holder::start(&self.root(), linger)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let pid_file = self.root().join("data/postmaster.pid");
        let gone = || !fs::read_to_string(&pid_file).is_ok_and(|text| is_alive(first_number(&text)));
        let _in_vain = wait_until(gone);
        let _left_behind = fs::remove_dir_all(&self.path);
    }
}

/// Another process that has a share.
struct Holder {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(root: &Path, linger: Duration) -> Self {
        let program = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples").join("hold");
        let mut command = Command::new(program);
        command.arg(root).arg(linger.as_millis().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example `hold` is built with the tests");
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Waits until it has its share, and returns the server's process id.
    fn server_pid(&mut self) -> u32 {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        first_number(&line)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

fn first_number(text: &str) -> u32 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no number in {text:?}"))
}

/// Whether a process runs: one that has ended, and that nobody has asked about yet, does not.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.trim_start().starts_with('Z'))
}

fn wait_until(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

fn assert_ends(pid: u32) {
    assert!(wait_until(|| !is_alive(pid)), "process {pid} is still there");
}

/// The parent of a process: the keeper, if the process is a server.
fn parent_of(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn psql(cluster: &Cluster, sql: &str) -> String {
    let program = Installation::find().unwrap().bin().join("psql");
    let output = Command::new(program).args(["-XAtq", &cluster.url(DATABASE), "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn shares_are_of_one_server_which_the_last_one_out_stops() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.open(), scratch.open());
    let pid = first.server_pid();
    assert_eq!(pid, second.server_pid());
    drop(first);
    let still_there = Instant::now() + LINGER * 4;
    assert!(wait_until(|| Instant::now() > still_there));
    assert_eq!(psql(&second, "SELECT 1"), "1");
    drop(second);
    assert_ends(pid);
    let keeps_nothing = || !scratch.root().join("data/postmaster.pid").exists();
    assert!(wait_until(keeps_nothing), "the server was not stopped in order");
}

#[test]
fn the_server_of_a_killed_process_is_stopped_and_its_data_are_kept() {
    let scratch = Scratch::new();
    let mut holder = scratch.holder(LINGER);
    let first_life = holder.server_pid();
    let cluster = scratch.open();
    assert_eq!(cluster.server_pid(), first_life);
    psql(&cluster, "CREATE TABLE kept AS SELECT 42 AS answer");
    drop(cluster);
    holder.kill();
    assert_ends(first_life);

    let cluster = scratch.open();
    assert_ne!(cluster.server_pid(), first_life);
    assert_eq!(psql(&cluster, "SELECT answer FROM kept"), "42");
}

#[test]
fn processes_that_make_a_cluster_at_once_share_it() {
    let scratch = Scratch::new();
    let mut holders: Vec<_> = (0..3).map(|_| scratch.holder(LINGER)).collect();
    let pids: Vec<_> = holders.iter_mut().map(Holder::server_pid).collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let (last, others) = holders.split_last_mut().unwrap();
    others.iter_mut().for_each(Holder::kill);
    assert!(is_alive(pids[0]));
    last.kill();
    assert_ends(pids[0]);
}

#[test]
fn who_comes_while_the_server_lingers_gets_it() {
    let scratch = Scratch::new();
    let mut holder = scratch.holder(LIMIT);
    let pid = holder.server_pid();
    holder.kill();
    for _ in 0..5 {
        assert_eq!(scratch.open().server_pid(), pid);
    }
    // Nobody waits a minute for the end of this test: the keeper's death is an end too.
    let status = Command::new("kill").args(["-9", &parent_of(pid).to_string()]).status().unwrap();
    assert!(status.success());
    assert_ends(pid);
}

#[test]
fn who_comes_while_the_server_stops_gets_a_new_one() {
    let scratch = Scratch::new();
    let mut lives = Vec::new();
    for _ in 0..3 {
        let cluster = Cluster::open(&ClusterOptions { linger: Duration::ZERO, ..scratch.options() }).unwrap();
        assert_eq!(psql(&cluster, "SELECT 1"), "1");
        let (pid, data) = (cluster.server_pid(), scratch.root().join("data/postmaster.pid"));
        drop(cluster);
        assert!(wait_until(|| !fs::read_to_string(&data).is_ok_and(|text| text.contains("ready"))));
        lives.push(pid);
    }
    lives.dedup();
    assert_eq!(lives.len(), 3, "the server was not stopped between: {lives:?}");
}

#[test]
fn a_killed_keeper_takes_the_server_with_it_and_the_next_one_gets_a_new_one() {
    let scratch = Scratch::new();
    let cluster = scratch.open();
    let pid = cluster.server_pid();
    let status = Command::new("kill").args(["-9", &parent_of(pid).to_string()]).status().unwrap();
    assert!(status.success());
    assert!(wait_until(|| scratch.open().server_pid() != pid));
    assert!(!is_alive(pid));
}

#[test]
fn the_server_holds_nothing_of_the_process_that_started_it() {
    let scratch = Scratch::new();
    let mut holder = scratch.holder(LIMIT);
    let pid = holder.server_pid();
    holder.kill();
    // The end of the output comes only when nobody has it open any more.
    holder.output.read_to_end(&mut Vec::new()).unwrap();
    assert!(is_alive(pid), "it should linger");
    let keeper = parent_of(pid);
    let open: Vec<_> = fs::read_dir(format!("/proc/{keeper}/fd")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let targets: Vec<_> = open.iter().filter_map(|path| fs::read_link(path).ok()).collect();
    let own = ["/dev/null", "pipe:", "users.lock", "server.log"];
    let foreign = |path: &&PathBuf| !own.iter().any(|name| path.to_string_lossy().contains(name));
    assert_eq!(targets.iter().find(foreign), None);
    let status = Command::new("kill").arg(keeper.to_string()).status().unwrap();
    assert!(status.success());
    assert_ends(pid);
}

#[test]
fn what_a_crash_left_is_no_obstacle() {
    let scratch = Scratch::new();
    let pid = scratch.holder(LINGER).server_pid();
    assert_ends(pid);
    assert!(wait_until(|| !scratch.root().join("data/postmaster.pid").exists()));
    // A file as a crash of the machine leaves it: its process id is by now that of somebody else, of this test.
    let data = scratch.root().join("data");
    let left = format!("{}\n{}\n1700000000\n5432\n/nowhere\n\n0 0\nready\n", std::process::id(), data.display());
    fs::write(data.join("postmaster.pid"), left).unwrap();
    let cluster = scratch.open();
    assert_eq!(psql(&cluster, "SELECT 1"), "1");
    assert_ne!(cluster.server_pid(), std::process::id());
}

#[test]
fn a_server_that_was_killed_is_replaced_at_once() {
    let scratch = Scratch::new();
    // One that loses nothing: what it has acknowledged is there again.
    let options = ClusterOptions { durable: true, ..scratch.options() };
    let mut cluster = Cluster::open(&options).unwrap();
    psql(&cluster, "CREATE TABLE kept AS SELECT 42 AS answer");
    for _ in 0..10 {
        let killed = cluster.server_pid();
        assert!(Command::new("kill").args(["-9", &killed.to_string()]).status().unwrap().success());
        // It has ended, but its keeper may not have asked about it yet: its id is still taken.
        assert_ends(killed);
        cluster = Cluster::open(&options).unwrap();
        assert_ne!(cluster.server_pid(), killed);
        assert_eq!(psql(&cluster, "SELECT answer FROM kept"), "42");
    }
}

#[test]
fn a_half_made_cluster_is_made_anew() {
    let mut killed_in_time = 0;
    // On a busy machine a kill may come too late; then it is tried again.
    for _ in 0..10 {
        let scratch = Scratch::new();
        let mut holder = scratch.holder(LINGER);
        let is_unfinished = |name: &OsStr| name.to_string_lossy().starts_with("data.new.");
        let has_unfinished = || {
            let entries = fs::read_dir(scratch.root());
            entries.is_ok_and(|mut entries| entries.any(|entry| is_unfinished(&entry.unwrap().file_name())))
        };
        assert!(wait_until(|| has_unfinished() || scratch.root().join("data").exists()));
        holder.kill();
        if !scratch.root().join("data").exists() {
            killed_in_time += 1;
        }
        let cluster = scratch.open();
        assert_eq!(psql(&cluster, "SELECT 1"), "1");
        assert!(!has_unfinished());
        if killed_in_time == 1 {
            return;
        }
    }
    panic!("never killed in time");
}

#[test]
fn data_of_another_version_are_refused() {
    let scratch = Scratch::new();
    let pid = scratch.open().server_pid();
    assert_ends(pid);
    fs::write(scratch.root().join("data/PG_VERSION"), "8\n").unwrap();
    let refused = Cluster::open(&scratch.options());
    assert!(matches!(refused, Err(ClusterError::Version { needed: 8, .. })), "{refused:?}");
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let scratch = Scratch::new();
    let pid = scratch.open().server_pid();
    assert_ends(pid);
    fs::write(scratch.root().join("data/postgresql.auto.conf"), "shared_buffers = 'plenty'\n").unwrap();
    let refused = Cluster::open(&scratch.options());
    assert!(matches!(&refused, Err(ClusterError::Start { log }) if log.contains("shared_buffers")), "{refused:?}");
}

#[test]
fn a_folder_that_the_account_cannot_reach_and_a_long_one_are_served_too() {
    let scratch = Scratch::new();
    fs::set_permissions(&scratch.path, fs::Permissions::from_mode(0o700)).unwrap();
    let root = scratch.path.join("deep ".repeat(20));
    let cluster = Cluster::open(&ClusterOptions { root: root.clone(), ..scratch.options() }).unwrap();
    assert_eq!(psql(&cluster, "SELECT current_setting('fsync')"), "off");
    // Root's server runs in a namespace here, so the data are its own.
    let owner = fs::metadata(root.join("data")).unwrap().uid();
    assert_eq!(owner, fs::metadata(&scratch.path).unwrap().uid());
    // Its socket lies elsewhere, and leaves nothing behind there.
    let elsewhere = PathBuf::from(cluster.url(DATABASE).split_once("host=").unwrap().1);
    assert!(elsewhere.is_dir() && !elsewhere.starts_with(&scratch.path), "{elsewhere:?}");
    drop(cluster);
    assert!(wait_until(|| !elsewhere.exists()));
}

#[test]
fn the_cluster_is_private_and_keeps_its_promises() {
    let scratch = Scratch::new();
    let cluster = Cluster::open(&ClusterOptions { durable: true, ..scratch.options() }).unwrap();
    for folder in ["", "data", "run"] {
        let mode = fs::metadata(scratch.root().join(folder)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o700, "{folder}");
    }
    let setting = |name: &str| psql(&cluster, &format!("SHOW {name}"));
    assert_eq!(setting("listen_addresses"), "");
    assert_eq!(setting("timezone"), "UTC");
    for name in ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"] {
        assert_eq!(setting(name), "on", "{name}");
    }
}
