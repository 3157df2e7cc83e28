//! Faults of the server's disk: full, and failing. Both need something of the machine that not every one has.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use tokio::process::Command;

use super::{kind::Fault, nemesis::Nemesis};
use crate::dice::Dice;

/// How large a disk of the server's own is, for a short run and for each ten minutes: what a run leaves must fit, and the
/// disk must be full soon when it is to be.
const DISK_BYTES: u64 = 1024 * 1024 * 1024;
/// How long a fault of flushing waits for a flush.
const FLUSH_LIMIT: Duration = Duration::from_secs(4);
/// The file that fills the disk, beside the cluster.
const BALLAST: &str = "ballast";

/// A disk of the server's own: a file with a file system in it. Dropping it does not unmount it.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes a disk for a run of this length and mounts it on a folder.
    ///
    /// # Errors
    ///
    /// Why that cannot be done here.
    pub(crate) async fn mount(image: &Path, folder: &Path, time: Duration) -> anyhow::Result<Self> {
        const TEN_MINUTES_S: u64 = 600;
        std::fs::create_dir_all(folder)?;
        let bytes = DISK_BYTES * (1 + time.as_secs() / TEN_MINUTES_S);
        // All its space is taken now: were the machine's disk full when a part is first written, the file system in it
        // would be broken for good, which no server comes back from.
        run(Command::new("fallocate").args(["--length", &bytes.to_string()]).arg(image)).await?;
        // What is discarded would be given back to the machine's disk.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m0", "-E", "nodiscard"]).arg(image)).await?;
        run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(folder)).await?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The file that fills it.
    pub(crate) fn ballast(&self) -> PathBuf {
        self.folder.join(BALLAST)
    }

    /// Where a cluster may live on it.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("pg")
    }

    /// Takes it away again.
    pub(crate) async fn unmount(self) {
        if let Err(error) = run(Command::new("umount").arg("--lazy").arg(&self.folder)).await {
            tracing::warn!("the disk of the run is left mounted: {error:#}");
        }
    }
}

/// Why flushes cannot be made to fail here; `None` if they can.
pub(crate) async fn without_strace() -> Option<String> {
    let traced = run(Command::new("strace").args(["-qq", "-e", "inject=fdatasync:error=EIO:when=1", "true"])).await;
    traced.err().map(|error| format!("{error:#}"))
}

impl Nemesis {
    /// Fills the disk of the server for some seconds.
    pub(super) async fn fill_disk(&self, dice: &mut Dice) -> anyhow::Result<()> {
        let Some(ballast) = self.world.ballast.clone() else { return Ok(()) };
        let filled = ballast.clone();
        let is_full = tokio::task::spawn_blocking(move || fill(&filled)).await?;
        if is_full {
            self.count(Fault::DiskFull);
            self.wait(dice.ms(1_000, 3_000)).await;
        }
        std::fs::remove_file(&ballast).context("the disk cannot be emptied again")?;
        self.world.database.revive().await.context("the server did not come back after its disk was full")
    }

    /// Lets the next flush of a process of the server fail: it must not go on as if nothing had been.
    pub(super) async fn fail_flush(&self) -> anyhow::Result<()> {
        let sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'turbocat'";
        let asked = sqlx::query_scalar::<_, i32>(sessions).fetch_all(&self.world.database.pool).await;
        let Ok(backends) = asked else { return Ok(()) };
        let mut command = Command::new("strace");
        command.args(["-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1"]);
        command.args(backends.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut tracer = command.spawn().context("strace cannot be run")?;
        let stderr = tracer.stderr.take();
        if saw_injection(stderr).await {
            self.count(Fault::Eio);
        }
        // It detaches from who it traces when it is gone.
        tracer.kill().await.context("strace cannot be ended")?;
        self.world.database.revive().await.context("the server did not come back after a flush had failed")
    }
}

/// Whether a tracer says in time that it has let a call fail.
async fn saw_injection(stderr: Option<tokio::process::ChildStderr>) -> bool {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let Some(stderr) = stderr else { return false };
    let mut lines = BufReader::new(stderr).lines();
    let seen = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains("INJECTED") {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(FLUSH_LIMIT, seen).await.unwrap_or(false)
}

/// Writes a file until the disk is full; whether it is.
fn fill(path: &Path) -> bool {
    use std::io::Write;
    let Ok(mut file) = std::fs::File::create(path) else { return false };
    let block = vec![0_u8; 1024 * 1024];
    loop {
        match file.write_all(&block) {
            Ok(()) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::StorageFull,
        }
    }
}

/// Runs a program to its end; its complaint is the error.
async fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().await.with_context(|| format!("{name} cannot be run"))?;
    if !output.status.success() {
        anyhow::bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
