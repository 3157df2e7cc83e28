//! The ears and the mouth of a process: requests of the parent on standard input, answers on standard output.

use std::{
    io::{BufRead, Write, stdin, stdout},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use turbocat_application::{Error, Selector, StartExecution};
use turbocat_domain::{
    execution::TriggerType,
    id::{EventId, ExecutionId},
    port::{EventQueries, ExecutionQueue, NewEvent, RepositoryError, RequestOutcome},
};
use turbocat_engine::{Engine, EngineHandle};

use super::tap::Tap;
use crate::{
    app::App,
    evidence::Order,
    message::{Answer, Event, READY, Reply, Request, Wish},
};

/// How long steps that run may take to end when the process is drained.
const PATIENCE: Duration = Duration::from_secs(5);

/// Does what the parent wants until it is drained, or the parent is gone.
///
/// # Errors
///
/// If the parent says something that is no request.
pub(super) async fn serve(app: &App, engine: &Engine, tap: &Arc<Tap>) -> anyhow::Result<()> {
    let tasks = TaskTracker::new();
    let (answers, given) = mpsc::unbounded_channel();
    let mouth = tasks.spawn(speak(given));
    let mut lines = listen();
    while let Some(line) = lines.recv().await {
        let Request { number, wish } =
            serde_json::from_str(&line).context("the parent says what nobody understands")?;
        match wish {
            Wish::Hold(is_held) => tap.hold(is_held),
            Wish::Drain => {
                engine.drain(PATIENCE).await;
                // The mouth is open until this process ends.
                let _sent = answers.send(Reply { number, answer: Answer::Done });
                break;
            }
            wish => {
                let (app, engine, answers) = (app.clone(), engine.handle(), answers.clone());
                tasks.spawn(async move {
                    let answer = fulfil(&app, &engine, wish).await;
                    let _parent_is_gone = answers.send(Reply { number, answer });
                });
            }
        }
    }
    drop(answers);
    tasks.close();
    // What is still asked of a database that does not answer is not waited for.
    let _rest = tokio::time::timeout(PATIENCE, mouth).await;
    Ok(())
}

/// The lines that the parent writes, until it is gone. Reading them blocks, so a thread does.
fn listen() -> mpsc::UnboundedReceiver<String> {
    let (said, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if said.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Says what is to be said, the first line being that this process can be asked. The parent always listens, so that
/// a line is written in no time.
async fn speak(mut replies: mpsc::UnboundedReceiver<Reply>) -> std::io::Result<()> {
    say(READY)?;
    while let Some(reply) = replies.recv().await {
        say(&serde_json::to_string(&reply)?)?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn fulfil(app: &App, engine: &EngineHandle, wish: Wish) -> Answer {
    match wish {
        Wish::Accept(order) => accept(app, engine, *order).await,
        Wish::Cancel(id) => match app.store.request_cancel(ExecutionId::from_uuid(id)).await {
            Ok(RequestOutcome::Requested) => Answer::Done,
            Ok(RequestOutcome::Ended) => Answer::TooLate,
            Ok(RequestOutcome::Unknown) => {
                Answer::Unknown(format!("there is no execution {id}, though it was accepted"))
            }
            Err(error) => of_failure(&error),
        },
        Wish::Publish(event) => publish(app, event).await,
        Wish::Hold(_) | Wish::Drain => Answer::Refused("this is not asked for here".to_owned()),
    }
}

async fn accept(app: &App, engine: &EngineHandle, order: Order) -> Answer {
    let request = StartExecution {
        id: ExecutionId::from_uuid(order.id),
        workflow: Selector::Name(order.workflow),
        input: order.input,
        trigger_type: TriggerType::Api,
        trigger_data: serde_json::Value::Null,
    };
    match app.use_cases.start_execution(app.actor, engine, request).await {
        Ok(_) => Answer::Done,
        Err(Error::Storage(error)) => of_failure(&error),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

/// Stores an event. One that stands already was stored by an earlier try of which the answer was lost: it is stored
/// and its waits are woken in one transaction.
async fn publish(app: &App, event: Event) -> Answer {
    let event = NewEvent {
        id: EventId::from_uuid(event.id),
        name: event.name,
        payload: event.payload,
        target: event.target.map(|(id, path)| (ExecutionId::from_uuid(id), path)),
        user_id: app.actor.id,
    };
    match app.store.publish(&event).await {
        Ok(_) | Err(RepositoryError::AlreadyExists { .. }) => Answer::Done,
        Err(error) => of_failure(&error),
    }
}

/// What a failure of storage leaves open: whether it was done. It is asked for again.
fn of_failure(error: &RepositoryError) -> Answer {
    match error {
        RepositoryError::Backend { transient: true, .. } | RepositoryError::Conflict { .. } => {
            Answer::Unknown(error.to_string())
        }
        RepositoryError::Backend { source, .. } => Answer::Refused(format!("{error}: {source}")),
        _ => Answer::Refused(error.to_string()),
    }
}
