//! Runs the binary, and waits for what must happen.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    time,
};
use turbocat_testkit::postgres::TestDatabase;

/// No story takes longer than this in any of its parts.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often is looked at what must become true.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of this test, in a folder of its own that goes with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes a folder; `name` tells it from those of other tests.
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("turbocat-story-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _as_well_as_it_can = std::fs::remove_dir_all(&self.0);
    }
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The same, if the command succeeded.
    pub(crate) fn success(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }

    /// The same, if the command said that it failed.
    pub(crate) fn failure(self) -> Self {
        assert_eq!(self.status.code(), Some(1), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as one JSON value.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Standard output as one JSON value a line.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// The binary, with the options that its commands get.
pub(crate) struct Turbocat {
    options: Vec<String>,
    /// What its environment has beside what every story's has.
    environment: Vec<(String, String)>,
    /// Dropped with the story.
    database: Option<TestDatabase>,
}

impl Turbocat {
    /// On a migrated database of its own. The server of tests does not sync, which is allowed here.
    pub(crate) async fn with_database() -> Self {
        Self::on(TestDatabase::create().await.unwrap())
    }

    /// On an empty database of its own.
    pub(crate) async fn with_empty_database() -> Self {
        Self::on(TestDatabase::create_empty().await.unwrap())
    }

    fn on(database: TestDatabase) -> Self {
        let url = format!("--database-url={}", database.url());
        Self {
            options: vec![url, "--allow-unsafe-database".to_owned()],
            environment: Vec::new(),
            database: Some(database),
        }
    }

    /// With these options, and no database of the story's.
    pub(crate) fn with_options(options: &[String]) -> Self {
        Self { options: options.to_vec(), environment: Vec::new(), database: None }
    }

    /// The same without leave to use an unsafe database.
    pub(crate) fn careful(&self) -> Self {
        let options = self.options.iter().filter(|option| *option != "--allow-unsafe-database").cloned();
        Self { options: options.collect(), environment: self.environment.clone(), database: None }
    }

    /// With one more option.
    pub(crate) fn with_option(mut self, option: String) -> Self {
        self.options.push(option);
        self
    }

    /// With a variable in the environment of its commands.
    pub(crate) fn with_variable(self, name: &str, value: &str) -> Self {
        self.with_environment(&[(name, value)])
    }

    /// All rows of all tables, as text.
    pub(crate) async fn dump(&self) -> String {
        self.database.as_ref().expect("a database of the story's").dump().await.unwrap()
    }

    /// The same, with these variables.
    pub(crate) fn with_environment(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    /// Where the database of the story's is.
    pub(crate) fn database_url(&self) -> &str {
        self.database.as_ref().expect("a database of the story's").url()
    }

    /// Runs a statement behind the binary's back: for a time that no story can wait for.
    pub(crate) async fn sql(&self, statement: &str) {
        let database = self.database.as_ref().expect("a database of the story's");
        database.execute(statement).await.unwrap();
    }

    /// The command, in the root of the workspace and with nothing of our environment that could matter.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turbocat"));
        let kept = ["PATH", "HOME", "TMPDIR", "TURBOCAT_PG_BIN"];
        command.env_clear().envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments).args(&self.options).current_dir(root()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Answer {
        self.run_into(arguments, Stdio::piped()).await
    }

    /// Runs a command to its end, with its standard output there.
    pub(crate) async fn run_into(&self, arguments: &[&str], stdout: Stdio) -> Answer {
        self.run_within(DEADLINE, arguments, stdout).await
    }

    /// Runs a command that may take so long to its end, with its standard output there.
    pub(crate) async fn run_within(&self, deadline: Duration, arguments: &[&str], stdout: Stdio) -> Answer {
        let child = self.command(arguments).stdout(stdout).spawn().unwrap();
        let ended = time::timeout(deadline, child.wait_with_output()).await;
        let output = ended.unwrap_or_else(|_| panic!("not within {deadline:?}: {arguments:?} ends")).unwrap();
        Answer {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let mut child = self.command(arguments).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Process { child, stdout, stderr }
    }

    /// Starts the server, and returns it with its address once it listens.
    pub(crate) async fn up(&self) -> (Process, String) {
        self.up_listening("127.0.0.1:0").await
    }

    /// Starts the server at an address that another one had, and returns it once it listens.
    pub(crate) async fn up_at(&self, address: &str) -> Process {
        self.up_listening(address).await.0
    }

    async fn up_listening(&self, listen: &str) -> (Process, String) {
        let mut server = self.start(&["up", "--listen", listen, "--json", "--drain-timeout", "10"]);
        let listening = server.log_line(|line| line["fields"]["message"] == "listening").await;
        let address = listening["fields"]["address"].as_str().unwrap().to_owned();
        (server, address)
    }

    /// Makes an account, and a key of it that may do everything.
    pub(crate) async fn key(&self, email: &str) -> String {
        self.run(&["users", "create", "--email", email]).await.success();
        let made = self.run(&["keys", "create", "--user", email, "--name", "story", "--scope", "*"]).await;
        made.success().stdout.trim().to_owned()
    }

    /// Waits until an execution is in a status, and returns what `show` says.
    pub(crate) async fn until(&self, execution: &str, status: &str) -> Value {
        let mut shown = Value::Null;
        let mut look = time::interval(LOOK);
        within(&format!("{execution} is {status}"), async {
            while shown["status"] != status {
                look.tick().await;
                shown = self.run(&["executions", "show", execution, "--json"]).await.success().value();
            }
        })
        .await;
        shown
    }
}

/// A command that runs.
pub(crate) struct Process {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Process {
    /// The next line of standard output that fits, as JSON.
    pub(crate) async fn line(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        within("a line is written", async {
            loop {
                let line = self.stdout.next_line().await.unwrap().expect("the process ended");
                let value = serde_json::from_str(&line).unwrap_or(Value::Null);
                if fits(&value) {
                    return value;
                }
            }
        })
        .await
    }

    /// The next line of the log that fits, as JSON.
    pub(crate) async fn log_line(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        within("a line is logged", async {
            loop {
                let Some(line) = self.stderr.next_line().await.unwrap() else { panic!("the process ended: {seen:#?}") };
                let value = serde_json::from_str(&line).unwrap_or(Value::Null);
                if fits(&value) {
                    return value;
                }
                seen.push(line);
            }
        })
        .await
    }

    /// Sends a signal by the name that `kill` knows.
    pub(crate) async fn signal(&self, name: impl AsRef<OsStr>) {
        signal(self.child.id().expect("the process runs"), name).await;
    }

    /// Waits for the end. What is still written is read meanwhile, or the process might wait for us.
    pub(crate) async fn end(mut self) -> ExitStatus {
        within("the process ends", async {
            let out = async { while let Ok(Some(_)) = self.stdout.next_line().await {} };
            let log = async { while let Ok(Some(_)) = self.stderr.next_line().await {} };
            tokio::join!(self.child.wait(), out, log).0.unwrap()
        })
        .await
    }
}

/// Waits until a process that we did not start ourselves is gone.
pub(crate) async fn gone(pid: u32) {
    let mut look = time::interval(LOOK);
    within(&format!("process {pid} is gone"), async {
        while Path::new("/proc").join(pid.to_string()).exists() {
            look.tick().await;
        }
    })
    .await;
}

/// Sends a signal to a process, by the name that `kill` knows.
pub(crate) async fn signal(pid: u32, name: impl AsRef<OsStr>) {
    let sent = Command::new("kill").arg("-s").arg(name).arg(pid.to_string()).status().await.unwrap();
    assert!(sent.success());
}

/// Waits for something that must happen before the deadline.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}
