//! `turbocat run`: from a file to an output, with everything in between.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use turbocat_application::{Actor, Error, Reading, Selector, SourceFile, StartExecution};
use turbocat_client::{Client, Execution, ExecutionStatus};
use turbocat_domain::{execution::TriggerType, id::ExecutionId, port::IdGenerator};
use turbocat_engine::{Engine, EngineOptions, Progress};

use super::{apply, input, seed_all, source, watch};
use crate::{
    adapter::UuidV7,
    args::{GlobalArgs, RunArgs},
    desk::{Desk, seen},
    report, signals,
    view::{self, Accepted, Left, View},
    wire::App,
};

/// How often what moves is drawn again.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How often the database is asked whether the execution has ended: the truth, should its progress get lost.
const ASK: Duration = Duration::from_secs(1);
/// How long the engine may take to hand back what else it holds.
const DRAIN: Duration = Duration::from_secs(5);

/// What is to be run, read and checked as far as that goes without a database.
pub(super) struct Prepared {
    /// What is to be published before; nothing for a workflow that was published earlier.
    files: Vec<SourceFile>,
    workflow: String,
    input: Value,
}

impl Prepared {
    /// Reads the file and the input.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read, has problems, or leaves open which workflow is meant.
    pub(super) fn read(args: &RunArgs) -> anyhow::Result<Self> {
        let named = args.workflow.as_deref();
        let (files, workflow) = match (&args.file, named) {
            (None, Some(name)) => (Vec::new(), name.to_owned()),
            (file, _) => {
                let files = source::read_all(file.as_slice())?;
                let workflow = choose(&Reading::read(&files)?, named)?;
                (files, workflow)
            }
        };
        let input = input::read(args.input.as_deref())?;
        Ok(Self { files, workflow, input })
    }
}

/// The workflow that is meant: the one that is named, else the only one that nothing in the file calls.
fn choose(reading: &Reading, named: Option<&str>) -> anyhow::Result<String> {
    let all = reading.workflows();
    match (named, reading.entry_workflows().as_slice()) {
        (Some(name), _) if all.contains(&name) => Ok(name.to_owned()),
        (Some(name), _) => bail!("there is no workflow `{name}` in the file, but {}", list(&all)),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) if all.is_empty() => {
            bail!("there is no workflow in the file; `turbocat apply -f` publishes files of agents alone")
        }
        (None, _) => bail!("the file has several workflows, choose with --workflow: {}", list(&all)),
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Publishes, starts, and shows how it goes.
///
/// # Errors
///
/// If the execution could not be accepted. How it ended is in the exit code.
pub(super) async fn run(url: &str, global: &GlobalArgs, prepared: Prepared) -> anyhow::Result<ExitCode> {
    let stop = signals::shutdown_token()?;
    let app = App::prepare(url, global).await?;
    let actor = seed_all(&app).await?;
    if !prepared.files.is_empty() {
        let published = app.use_cases.publish(actor, &prepared.files).await?;
        for warning in &published.warnings {
            report::note(format!("warning: {warning}"));
        }
    }

    let name = format!("run {}", std::process::id());
    let engine = app.start_engine(EngineOptions { name, ..EngineOptions::default() }).await?;
    let outcome = start_and_follow(&app, &engine, (actor, prepared), (&stop, view::choose(global.json))).await;
    engine.drain(DRAIN).await;
    app.store.close().await;
    outcome
}

/// Has a server publish, start and run, and shows how it goes.
///
/// # Errors
///
/// If the execution could not be accepted, or the server is away for too long.
pub(super) async fn through(client: Client, json: bool, prepared: Prepared) -> anyhow::Result<ExitCode> {
    let stop = signals::shutdown_token()?;
    let desk = Desk::Server(client.clone());
    if !prepared.files.is_empty() {
        apply::publish(&desk, &prepared.files).await?;
    }
    let wanted = turbocat_client::StartExecution::named(&prepared.workflow).with_input(prepared.input);
    let id = desk.start(wanted).await?.id;
    let mut view = view::choose(json);
    view.accepted(&Accepted { id, workflow: prepared.workflow });
    let ended = tokio::select! {
        ended = watch::watch(&client, id, view.as_mut()) => ended?,
        () = stop.cancelled() => {
            view.left(&Left { id, on_server: true });
            return Ok(ExitCode::from(signals::INTERRUPTED));
        }
    };
    Ok(show_end(view.as_mut(), ended))
}

/// Shows how an execution ended, and says it as an exit code.
pub(super) fn show_end(view: &mut dyn View, execution: Execution) -> ExitCode {
    let completed = execution.status == ExecutionStatus::Completed;
    view.ended(&execution.into());
    if completed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn start_and_follow(
    app: &App,
    engine: &Engine,
    (actor, prepared): (Actor, Prepared),
    (stop, mut view): (&CancellationToken, Box<dyn View>),
) -> anyhow::Result<ExitCode> {
    let id = ExecutionId::from_uuid(UuidV7.next());
    let handle = engine.handle();
    // From before it exists: nothing of it is missed.
    let progress = handle.watch(id);
    let request = StartExecution {
        id,
        workflow: Selector::Name(prepared.workflow.clone()),
        input: prepared.input,
        trigger_type: TriggerType::Manual,
        trigger_data: json!({ "source": "command line" }),
    };
    app.use_cases.start_execution(actor, &handle, request).await?;
    view.accepted(&Accepted { id, workflow: prepared.workflow });

    let mut follower = Follower { app, actor, id, view };
    let ended = tokio::select! {
        ended = follower.follow(progress) => Some(ended?),
        () = stop.cancelled() => None,
    };
    Ok(follower.close(ended))
}

/// Follows one execution to its end.
struct Follower<'a> {
    app: &'a App,
    actor: Actor,
    id: ExecutionId,
    view: Box<dyn View>,
}

impl Follower<'_> {
    async fn follow(&mut self, mut progress: Receiver<Progress>) -> anyhow::Result<Execution> {
        let (mut tick, mut ask) = (time::interval(TICK), time::interval(ASK));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ask.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                event = progress.recv() => match event {
                    Ok(Progress::Step(step)) => self.view.step(&step),
                    Ok(Progress::Wait(wait)) => self.view.wait(&wait),
                    // Who looks on too slowly misses something.
                    Err(RecvError::Lagged(_)) => {}
                    // The end of the engine is not that of the execution.
                    Ok(Progress::Finished(_)) | Err(RecvError::Closed) => return self.wait(&mut ask).await,
                },
                _ = tick.tick() => self.view.tick(),
                _ = ask.tick() => {
                    if let Some(execution) = self.ended().await? {
                        return Ok(execution);
                    }
                }
            }
        }
    }

    /// Asks the database until the execution has ended.
    async fn wait(&self, ask: &mut time::Interval) -> anyhow::Result<Execution> {
        loop {
            if let Some(execution) = self.ended().await? {
                return Ok(execution);
            }
            ask.tick().await;
        }
    }

    /// The execution, if it has ended. A database that does not answer is asked again later: the engine waits for it
    /// as well, and the execution goes on when it is back.
    async fn ended(&self) -> anyhow::Result<Option<Execution>> {
        match self.app.use_cases.execution(self.actor, self.id).await {
            Ok(execution) if execution.status.is_terminal() => Ok(Some(seen(execution)?)),
            Ok(_) => Ok(None),
            Err(Error::Storage(error)) if error.is_transient() => {
                tracing::warn!(%error, "the execution cannot be read, trying again");
                Ok(None)
            }
            Err(error) => Err(error).context("the execution cannot be read"),
        }
    }

    fn close(&mut self, ended: Option<Execution>) -> ExitCode {
        let Some(execution) = ended else {
            self.view.left(&Left { id: self.id, on_server: false });
            return ExitCode::from(signals::INTERRUPTED);
        };
        show_end(self.view.as_mut(), execution)
    }
}
