//! The ledger: what happened outside of the database, told to the parent before it counts as having happened.
//!
//! Processes tell it over a Unix socket, one JSON object a line, and each line is acknowledged by a byte when the
//! parent has it. So what a worker did is known even if it is killed right afterwards.

use std::{
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use async_trait::async_trait;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::{behaviour::Ledger, evidence::Entry};

/// How many lines are sent before their acknowledgements are read.
const LINES_AT_ONCE: usize = 256;

/// The ledger of the parent: all entries in the order in which they came, in memory and in a file.
#[derive(Debug, Clone)]
pub(crate) struct Book(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    entries: Vec<Entry>,
    file: std::fs::File,
    lost: Option<String>,
}

impl Book {
    /// Opens the ledger: processes that connect to the socket may tell it things.
    ///
    /// # Errors
    ///
    /// If the socket or the file cannot be made.
    pub(crate) fn open(socket: &Path, file: &Path, tasks: &TaskTracker) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(socket).context("the socket of the ledger cannot be made")?;
        let file = std::fs::File::create(file).context("the file of the ledger cannot be made")?;
        let book = Self(Arc::new(Mutex::new(Pages { entries: Vec::new(), file, lost: None })));
        let (tellers, told) = (tasks.clone(), book.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tellers.spawn(listen(stream, told.clone()));
            }
        });
        Ok(book)
    }

    /// All that was told until now.
    ///
    /// # Errors
    ///
    /// If something was told that is no entry, or could not be written down.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &pages.lost {
            Some(reason) => anyhow::bail!("the ledger is not complete: {reason}"),
            None => Ok(pages.entries.clone()),
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.len()
    }

    fn take(&self, line: &str) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match serde_json::from_str(line) {
            Ok(entry) => pages.entries.push(entry),
            Err(error) => pages.lost = Some(format!("{error} in {line}")),
        }
        if let Err(error) = pages.file.write_all(line.as_bytes()) {
            pages.lost = Some(error.to_string());
        }
    }
}

/// Takes what one process tells until it is gone. A line without its end was not told: its teller has no answer.
async fn listen(stream: UnixStream, book: Book) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    loop {
        line.clear();
        match reader.read_line(&mut line).await {
            Ok(bytes) if bytes > 0 && line.ends_with('\n') => book.take(&line),
            _ => return,
        }
        if writer.write_all(b"\n").await.is_err() {
            return;
        }
    }
}

/// The ledger as a process sees it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    lines: mpsc::UnboundedSender<(String, oneshot::Sender<()>)>,
    worker: Arc<Mutex<Uuid>>,
}

impl Teller {
    /// Connects to the parent's ledger.
    ///
    /// # Errors
    ///
    /// If the parent is not there.
    pub(crate) async fn connect(socket: &Path, tasks: &TaskTracker) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket).await.context("the ledger is not there")?;
        let (lines, told) = mpsc::unbounded_channel();
        tasks.spawn(async move {
            // Who waits for an acknowledgement learns of the end by its channel.
            let _parent_is_gone = pass_on(stream, told).await;
        });
        Ok(Self { lines, worker: Arc::default() })
    }

    /// Says as which worker this process lives now.
    pub(crate) fn lives_as(&self, worker: Uuid) {
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = worker;
    }
}

#[async_trait]
impl Ledger for Teller {
    async fn tell(&self, entry: Entry) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(&entry)?;
        line.push('\n');
        let (taken, acknowledged) = oneshot::channel();
        self.lines.send((line, taken)).ok().context("the ledger is gone")?;
        acknowledged.await.context("the ledger is gone")
    }

    fn worker(&self) -> Uuid {
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends lines and hands their acknowledgements back, several at once.
async fn pass_on(
    stream: UnixStream,
    mut lines: mpsc::UnboundedReceiver<(String, oneshot::Sender<()>)>,
) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let mut batch = Vec::new();
    while lines.recv_many(&mut batch, LINES_AT_ONCE).await > 0 {
        let text: String = batch.iter().map(|(line, _)| line.as_str()).collect();
        writer.write_all(text.as_bytes()).await?;
        for (_, taken) in batch.drain(..) {
            reader.read_u8().await?;
            // Who told it may have stopped waiting.
            let _unheard = taken.send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(path: &str) -> Entry {
        Entry::Effect {
            worker: Uuid::nil(),
            key: format!("x/{path}"),
            execution: Uuid::nil(),
            path: path.to_owned(),
            attempt: 1,
        }
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_in_the_ledger_in_order() {
        let folder = std::env::temp_dir().join(format!("turbocat-ledger-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let tasks = TaskTracker::new();
        let book = Book::open(&folder.join("socket"), &folder.join("file"), &tasks).unwrap();
        let teller = Teller::connect(&folder.join("socket"), &tasks).await.unwrap();
        for number in 0..600 {
            teller.tell(effect(&number.to_string())).await.unwrap();
            assert_eq!(book.len(), number + 1);
        }
        let at_once = (0..600).map(|_| {
            let teller = teller.clone();
            tasks.spawn(async move { teller.tell(effect("x")).await })
        });
        for told in at_once.collect::<Vec<_>>() {
            told.await.unwrap().unwrap();
        }
        let written = std::fs::read_to_string(folder.join("file")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();

        let entries = book.entries().unwrap();
        assert_eq!(entries.len(), 1_200);
        assert_eq!(entries[17], effect("17"));
        assert_eq!(written.lines().count(), 1_200);
    }
}
