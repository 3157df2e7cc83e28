//! `/executions/{id}/events`: how an execution goes on, as it goes on.
//!
//! The stream is read from the database, so it is the same whichever process runs the execution and whichever serves
//! the stream. Each event carries the place behind it as its id; who comes back with `Last-Event-ID` goes on there.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    time::Duration,
};

use axum::{
    extract,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use chrono::TimeDelta;
use futures_util::{Stream, stream};
use serde::Serialize;
use serde_json::{Value, json};
use turbocat_domain::{
    execution::{Execution, ExecutionStatus},
    execution_log::StepStatus,
    id::{ExecutionId, ExecutionLogId},
    permission::Permission,
    port::{Cursor, LogFilter, PageRequest},
};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::{
    Needs, Problem, ProblemCode, State,
    api::Api,
    auth::Who,
    extract::Id,
    page,
    streams::OpenStream,
    view::{ExecutionView, LogView, StepView},
};

const LAST_EVENT_ID: &str = "last-event-id";
/// The place behind the last event of an execution that has ended.
const END: &str = "end";
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often is looked for news, while there are some and when there are none.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
const PAGE: u16 = 200;
/// A line may be written a little after lines that are younger: this far back is read again.
const LATE: TimeDelta = TimeDelta::seconds(3);
/// How many lines are remembered so that none is sent twice.
const REMEMBERED_MAX: usize = 20_000;

/// The routes of this file.
pub(crate) fn routes(api: Api) -> Api {
    api.route(Needs::Permission(Permission::ExecutionsRead), routes!(follow_execution))
}

/// How an execution goes on: events `step` (an attempt runs or has ended), `log` (a line), and `execution` (its status
/// has changed, or it was paused or resumed). After the end the stream ends, and who comes back is told so by a 204.
#[utoipa::path(
    get, path = "/api/v1/executions/{id}/events", tag = "executions", operation_id = "follow_execution",
    params(
        ("id" = String, Path, description = "The execution"),
        ("Last-Event-ID" = Option<String>, Header, description = "Where the stream before ended"),
    ),
    responses(
        (status = 200, description = "The stream", content_type = "text/event-stream", body = String),
        (status = 204, description = "It has ended, and all of it was sent"),
    )
)]
async fn follow_execution(
    extract::State(state): extract::State<State>,
    (who, Id(id)): (Who, Id<ExecutionId>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    state.use_cases.execution(who.actor(), id).await?;
    let place = match headers.get(LAST_EVENT_ID) {
        Some(value) if value.as_bytes() == END.as_bytes() => return Ok(StatusCode::NO_CONTENT.into_response()),
        Some(value) => value.to_str().ok().and_then(Place::read).ok_or_else(|| {
            Problem::new(ProblemCode::InvalidHeader).with_detail("Last-Event-ID is no id of an event of this stream")
        })?,
        None => Place::default(),
    };
    let stream = state.streams.open(who.actor().id)?;
    let following = Following::new(state, (who, id), place, stream);
    let sse = Sse::new(following.events()).keep_alive(KeepAlive::new().interval(HEARTBEAT));
    Ok(sse.into_response())
}

/// Where in the stream one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    /// The first record that was not sent.
    seq: u32,
    /// The last line that was sent.
    line: Option<Cursor>,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (seq, line) = text.split_once('~')?;
        let line = if line.is_empty() { None } else { Some(page::read(line)?) };
        Some(Self { seq: seq.parse().ok().filter(|seq| i32::try_from(*seq).is_ok())?, line })
    }

    fn write(self) -> String {
        format!("{}~{}", self.seq, self.line.map(page::write).unwrap_or_default())
    }
}

/// A stream that is being sent.
struct Following {
    state: State,
    who: Who,
    id: ExecutionId,
    place: Place,
    /// Lines up to this one are not read again: they were sent before, and are not remembered.
    from: Option<Cursor>,
    /// Its status and whether it was paused, as it was sent.
    standing: Option<(ExecutionStatus, bool)>,
    /// The attempts that were sent as running.
    running: HashSet<(String, u16)>,
    /// The lines that were sent, as far back as they are read again.
    lines: HashSet<ExecutionLogId>,
    waiting: VecDeque<Event>,
    pause: Duration,
    has_ended: bool,
    _open: OpenStream,
}

impl Following {
    fn new(state: State, (who, id): (Who, ExecutionId), place: Place, open: OpenStream) -> Self {
        Self {
            state,
            who,
            id,
            from: place.line,
            place,
            standing: None,
            running: HashSet::new(),
            lines: HashSet::new(),
            waiting: VecDeque::new(),
            pause: LOOK.0,
            has_ended: false,
            _open: open,
        }
    }

    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut following| async move {
            let event = following.next().await?;
            Some((Ok(event), following))
        })
    }

    /// The next event; nothing when the stream is at its end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.pause = LOOK.0;
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            match self.look().await {
                Ok(()) if self.waiting.is_empty() => self.rest().await?,
                Ok(()) => {}
                // A database that is away comes back: the stream waits for it.
                Err(problem) if problem.code() == ProblemCode::Unavailable => self.rest().await?,
                Err(_) => return None,
            }
        }
    }

    /// Waits a while; nothing when the server ends, or who follows may not ask any more.
    async fn rest(&mut self) -> Option<()> {
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            () = self.state.shutdown.cancelled() => return None,
        }
        self.pause = (self.pause * 2).min(LOOK.1);
        // A database that is away revokes nothing.
        self.state.access.still_stands(&self.who.caller).await.unwrap_or(true).then_some(())
    }

    /// Looks for news. The status is read first: when it says that the execution has ended, all else is there to be
    /// read already, but for lines that agents wrote at the very end.
    async fn look(&mut self) -> Result<(), Problem> {
        let execution = self.state.use_cases.execution(self.who.actor(), self.id).await?;
        self.look_for_steps().await?;
        self.look_for_lines().await?;
        let standing = Some((execution.status, execution.paused.is_some()));
        let is_new = self.standing != standing;
        if !is_new || (execution.status.is_terminal() && !self.waiting.is_empty()) {
            return Ok(());
        }
        self.standing = standing;
        self.has_ended = execution.status.is_terminal();
        let place = if self.has_ended { END.to_owned() } else { self.place.write() };
        self.waiting.push_back(event("execution", place, &without_input(execution)));
        Ok(())
    }

    async fn look_for_steps(&mut self) -> Result<(), Problem> {
        let news = self.state.use_cases.step_news(self.id, (self.place.seq, PAGE)).await?;
        for record in news {
            let attempt = (record.path.clone(), record.attempt);
            if record.outcome.status() == StepStatus::Running {
                if !self.running.insert(attempt) {
                    continue;
                }
            } else {
                self.running.remove(&attempt);
                self.place.seq = record.seq.saturating_add(1);
            }
            self.waiting.push_back(event("step", self.place.write(), &StepView::from(record)));
        }
        Ok(())
    }

    async fn look_for_lines(&mut self) -> Result<(), Problem> {
        // Who comes back has had what is before their place.
        let late = self.place.line.map(|line| Cursor { created_at: line.created_at - LATE, id: Uuid::nil() });
        let after = late.map(|late| self.from.map_or(late, |from| later(from, late)));
        let mut page = PageRequest { limit: PAGE, after };
        loop {
            let found =
                self.state.use_cases.execution_logs(self.who.actor(), self.id, (&LogFilter::default(), page)).await?;
            for line in found.items {
                if !self.lines.insert(line.id) {
                    continue;
                }
                let cursor = Cursor { created_at: line.created_at, id: line.id.as_uuid() };
                let last = self.place.line.map_or(cursor, |last| later(last, cursor));
                self.place.line = Some(last);
                self.waiting.push_back(event("log", self.place.write(), &LogView::from(line)));
            }
            match found.next {
                Some(next) if self.waiting.len() < usize::from(PAGE) => page.after = Some(next),
                _ => break,
            }
        }
        if self.lines.len() > REMEMBERED_MAX {
            self.lines.clear();
            self.from = self.place.line;
        }
        Ok(())
    }
}

fn later(one: Cursor, other: Cursor) -> Cursor {
    if (one.created_at, one.id) < (other.created_at, other.id) { other } else { one }
}

fn event(name: &str, place: String, view: &impl Serialize) -> Event {
    Event::default().event(name).id(place).data(serde_json::to_string(view).unwrap_or_default())
}

/// An execution as a stream shows it: who follows knows the input.
fn without_input(execution: Execution) -> Value {
    let mut view = json!(ExecutionView::from(execution));
    if let Some(members) = view.as_object_mut() {
        members.remove("input");
    }
    view
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_place_survives_its_text_and_another_text_is_none() {
        let line = Cursor { created_at: DateTime::from_timestamp_micros(7).unwrap(), id: Uuid::from_u128(9) };
        for place in [Place::default(), Place { seq: 7, line: None }, Place { seq: 7, line: Some(line) }] {
            assert_eq!(Place::read(&place.write()), Some(place));
        }
        for other in ["", "7", "x~", "7~x", "-1~", "4294967295~", "end"] {
            assert_eq!(Place::read(other), None, "{other}");
        }
    }
}
