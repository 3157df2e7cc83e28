//! The interpreter of Python of this machine, and what of its file system it needs.
//!
//! It is asked where its library is and which files it maps, and then tried, confined: what is found works.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{process::Command, sync::OnceCell, time::timeout};
use turbocat_domain::step_run::StepError;

use crate::{
    child::{Interpreter, PythonCall, Task},
    host::ChildHost,
};

/// Where an interpreter that all users may run is most often; the folders of `PATH` come after.
const USUAL: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];

/// The oldest version that the runner is written for.
const OLDEST: (u32, u32) = (3, 9);

/// How long an interpreter may take to tell of itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// Uses what programs use, so that the libraries of that are among the files that are mapped. `ctypes` is not.
const INSPECT: &str = r#"
import importlib, json, os, sys, sysconfig
for name in """array base64 binascii bisect bz2 calendar cmath collections concurrent.futures copy csv datetime decimal
        difflib email enum fractions functools gzip hashlib heapq hmac html http io ipaddress itertools json logging lzma
        math operator pathlib pickle pprint queue random re secrets sqlite3 statistics string struct textwrap threading
        time typing unicodedata urllib.parse uuid xml.etree.ElementTree zipfile zlib zoneinfo""".split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
with open("/proc/self/maps") as maps:
    files = {line.split(None, 5)[5].strip() for line in maps if line.count("/")}
folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "/usr/share/zoneinfo"}
folders |= {path for path in sys.path if path.startswith("/")}
files |= {"/etc/ld.so.cache", os.path.realpath(sys.executable)}
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "program": os.path.realpath(sys.executable),
    "files": sorted(path for path in files if path.startswith("/") and os.path.isfile(path)),
    "folders": sorted(path for path in folders if os.path.exists(path)),
}))
"#;

/// What an interpreter tells of itself.
#[derive(Deserialize)]
struct Told {
    version: (u32, u32, u32),
    program: PathBuf,
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

/// The interpreter, found when it is first needed.
#[derive(Debug)]
pub(crate) struct Python {
    /// The one that the operator names.
    named: Option<PathBuf>,
    found: OnceCell<Interpreter>,
}

impl Python {
    pub(crate) fn new(named: Option<PathBuf>) -> Self {
        Self { named, found: OnceCell::new() }
    }

    /// The interpreter.
    ///
    /// # Errors
    ///
    /// Why there is none, for each that was tried.
    pub(crate) async fn interpreter(&self, children: &ChildHost) -> Result<&Interpreter, StepError> {
        self.found.get_or_try_init(|| self.find(children)).await
    }

    async fn find(&self, children: &ChildHost) -> Result<Interpreter, StepError> {
        let mut tried = Vec::new();
        for candidate in self.candidates() {
            match examine(&candidate, children).await {
                Ok(interpreter) => return Ok(interpreter),
                Err(reason) => tried.push(format!("`{}`: {reason}", candidate.display())),
            }
        }
        let tried = if tried.is_empty() { "none is installed".to_owned() } else { tried.join("; ") };
        let message = format!(
            "there is no Python 3 that can run programs here ({tried}); install one that all users may run, or name it \
             in TURBOCAT_PYTHON"
        );
        Err(StepError::permanent("no_python", message))
    }

    fn candidates(&self) -> Vec<PathBuf> {
        if let Some(named) = &self.named {
            return vec![named.clone()];
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates: Vec<PathBuf> = USUAL.iter().map(PathBuf::from).collect();
        candidates.extend(std::env::split_paths(&path).map(|folder| folder.join("python3")));
        let mut seen = Vec::new();
        candidates.retain(|candidate| {
            candidate.is_file() && !seen.contains(candidate) && {
                seen.push(candidate.clone());
                true
            }
        });
        candidates
    }
}

/// Asks an interpreter and tries it.
async fn examine(program: &Path, children: &ChildHost) -> Result<Interpreter, String> {
    let Told { version, program, files, folders } = ask(program).await?;
    let (major, minor, patch) = version;
    if (major, minor) < OLDEST {
        return Err(format!("version {major}.{minor} is older than {}.{}", OLDEST.0, OLDEST.1));
    }
    let interpreter = Interpreter { version: format!("{major}.{minor}.{patch}"), program, files, folders };
    let (inputs, context) = (RawValue::NULL.to_owned(), RawValue::NULL.to_owned());
    let source = "def main(inputs, context):\n    return inputs\n".to_owned();
    let trial = PythonCall { interpreter: interpreter.clone(), source, inputs, context, check: false };
    children.check(Task::Python(trial)).await.map_err(|error| error.message)?;
    Ok(interpreter)
}

async fn ask(program: &Path) -> Result<Told, String> {
    let mut command = Command::new(program);
    command.args(["-I", "-S", "-B", "-c", INSPECT].map(OsStr::new)).env_clear();
    command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.map_err(|_| "it does not answer".to_owned())?;
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("nothing").to_owned();
        return Err(format!("it ended with {}: {said}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("what it tells of itself cannot be read: {error}"))
}
