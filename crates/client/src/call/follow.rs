//! How an execution goes on, as it goes on: one stream, however often the connection breaks.

use std::time::Duration;

use futures_util::{Stream, stream};
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use turbocat_domain::id::ExecutionId;

use crate::{
    Client, Error, ExecutionEvent,
    client::Call,
    operation::FOLLOW_EXECUTION,
    retry::Chance,
    sse::{Reader, ServerEvent},
};

/// The place behind the last event of an execution that has ended.
const END: &str = "end";

/// An event, and the place behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// Where the stream goes on behind it: for [`Client::follow_from`].
    pub place: String,
    /// What happened.
    pub event: ExecutionEvent,
}

impl Client {
    /// Follows an execution from its beginning to its end: steps that run or have ended, lines of the log, and changes of
    /// its status.
    ///
    /// When the connection breaks, or the server says nothing for too long, the stream comes back by itself where it was;
    /// a step that runs may be told of again then. It ends after the end of the execution, or with the first error that
    /// coming back does not mend (`not_found`, `unauthenticated`), or when it has tried for as long as its patience is
    /// ([`ClientBuilder::stream_patience`](crate::ClientBuilder::stream_patience)).
    pub fn follow(&self, id: ExecutionId) -> impl Stream<Item = Result<Followed, Error>> + Send + Unpin + use<> {
        self.follow_from(id, None)
    }

    /// The same from behind an event that was had before.
    pub fn follow_from(
        &self,
        id: ExecutionId,
        place: Option<String>,
    ) -> impl Stream<Item = Result<Followed, Error>> + Send + Unpin + use<> {
        let following = Following {
            client: self.clone(),
            id,
            place,
            open: None,
            has_opened: false,
            failures: 0,
            away_since: None,
            is_over: false,
        };
        Box::pin(stream::unfold(following, |mut following| async move {
            let item = following.next().await.transpose()?;
            following.is_over |= item.is_err();
            Some((item, following))
        }))
    }
}

/// A stream that is followed.
struct Following {
    client: Client,
    id: ExecutionId,
    /// Behind the last event.
    place: Option<String>,
    open: Option<Open>,
    has_opened: bool,
    /// How often in a row it broke without saying anything.
    failures: u32,
    /// Since when it has said nothing.
    away_since: Option<Instant>,
    is_over: bool,
}

/// A connection on which events come.
struct Open {
    response: Response,
    reader: Reader,
}

impl Following {
    /// The next event; nothing at the end.
    async fn next(&mut self) -> Result<Option<Followed>, Error> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            let failed = match &mut self.open {
                None => self.connect().await,
                Some(open) => {
                    if let Some(event) = open.reader.next() {
                        match self.take(event) {
                            Ok(None) => continue,
                            taken => return taken,
                        }
                    }
                    self.read().await
                }
            };
            if let Err(error) = failed {
                self.open = None;
                self.rest(error).await?;
            }
        }
    }

    /// Takes in an event; nothing for one of a kind that this version does not know.
    fn take(&mut self, event: ServerEvent) -> Result<Option<Followed>, Error> {
        let ServerEvent { name, id: place, data } = event;
        self.place = Some(place.clone());
        self.is_over = place == END;
        let event = match name.as_str() {
            "step" => ExecutionEvent::Step(read(&data)?),
            "log" => ExecutionEvent::Log(read(&data)?),
            "execution" => ExecutionEvent::Execution(read(&data)?),
            _ => return Ok(None),
        };
        Ok(Some(Followed { place, event }))
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let call = Call::about(FOLLOW_EXECUTION, self.id);
        let timeout = self.client.0.timeout;
        let opening = self.client.open(&call, self.place.as_deref());
        let response = tokio::time::timeout(timeout, opening).await.unwrap_or_else(|_| Err(self.silent(timeout)))?;
        if response.status() == StatusCode::NO_CONTENT {
            self.is_over = true;
            return Ok(());
        }
        self.has_opened = true;
        self.open = Some(Open { response, reader: Reader::default() });
        Ok(())
    }

    /// Reads on. A stream that ends before the execution did has broken, too.
    async fn read(&mut self) -> Result<(), Error> {
        let silence_max = self.client.0.patience.silence_max;
        let Some(open) = &mut self.open else { return Ok(()) };
        match tokio::time::timeout(silence_max, open.response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                open.reader.push(&bytes);
                (self.failures, self.away_since) = (0, None);
                Ok(())
            }
            Ok(Ok(None)) => {
                let server = self.client.server().to_owned();
                Err(Error::Lost { server, reason: "the stream ended before the execution did".to_owned() })
            }
            Err(_) => Err(self.silent(silence_max)),
            Ok(Err(source)) => Err(self.client.lost(&source)),
        }
    }

    fn silent(&self, after: Duration) -> Error {
        Error::TimedOut { server: self.client.server().to_owned(), after }
    }

    /// Waits before it comes back, or gives the error back if that is of no use.
    async fn rest(&mut self, error: Error) -> Result<(), Error> {
        self.failures = self.failures.saturating_add(1);
        let retries = self.client.0.retries;
        let away_for = self.away_since.get_or_insert_with(Instant::now).elapsed();
        // Who has never heard anything may have the wrong address, and should not wait for long to hear that.
        let may_come_back = Chance::after(&error) != Chance::Settled
            && if self.has_opened {
                away_for < self.client.0.patience.stream
            } else {
                self.failures < retries.attempts_max
            };
        let pause = retries.pause_after(self.failures, &error).filter(|_| may_come_back);
        let Some(pause) = pause else {
            self.is_over = true;
            return Err(error);
        };
        tracing::debug!(execution.id = %self.id, failures = self.failures, %error, "the stream comes back");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

fn read<T: DeserializeOwned>(data: &str) -> Result<T, Error> {
    serde_json::from_str(data)
        .map_err(|source| Error::Unknown { operation: FOLLOW_EXECUTION.id.to_lowercase(), source })
}
