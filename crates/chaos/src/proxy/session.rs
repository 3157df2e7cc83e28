//! One connection through the proxy.

use std::io;

use tokio::{
    io::AsyncWriteExt,
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    conversation::{Conversation, Part},
    switch::{Switch, Trap},
    wire::{Message, Messages, Opening},
};

/// Both ends of a connection.
pub(super) struct Session {
    from_client: Messages<OwnedReadHalf>,
    to_client: OwnedWriteHalf,
    from_server: Messages<OwnedReadHalf>,
    to_server: OwnedWriteHalf,
    conversation: Conversation,
    switch: Switch,
    /// The request that is being sent, kept until it is whole.
    request: Vec<u8>,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoesOn,
    Ends,
}

impl Session {
    pub(super) fn new(client: UnixStream, server: UnixStream, switch: Switch) -> Self {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        Self {
            from_client: Messages::new(from_client),
            to_client,
            from_server: Messages::new(from_server),
            to_server,
            conversation: Conversation::default(),
            switch,
            request: Vec::new(),
        }
    }

    /// Passes messages on until one of the ends is closed.
    pub(super) async fn run(mut self) -> io::Result<()> {
        if self.open().await? == Next::Ends {
            return Ok(());
        }
        loop {
            let next = tokio::select! {
                sent = self.from_client.next() => match sent? {
                    Some(message) => self.pass_request(&message).await?,
                    None => Next::Ends,
                },
                received = self.from_server.next() => match received? {
                    Some(message) => self.pass_answer(&message).await?,
                    None => Next::Ends,
                },
            };
            if next == Next::Ends {
                return Ok(());
            }
        }
    }

    /// Lets the client begin.
    async fn open(&mut self) -> io::Result<Next> {
        loop {
            match self.from_client.opening().await? {
                Some(Opening::Encryption) => self.to_client.write_all(b"N").await?,
                Some(Opening::Cancel(bytes)) => {
                    self.to_server.write_all(&bytes).await?;
                    return Ok(Next::Ends);
                }
                Some(Opening::Session(bytes)) => {
                    self.switch.pass().await;
                    self.to_server.write_all(&bytes).await?;
                    return Ok(Next::GoesOn);
                }
                None => return Ok(Next::Ends),
            }
        }
    }

    /// Takes a message of the client; passes the request on that it ends.
    async fn pass_request(&mut self, message: &Message) -> io::Result<Next> {
        self.request.extend_from_slice(message.bytes());
        let written = match self.conversation.sent(message) {
            Part::Some => return Ok(Next::GoesOn),
            Part::Flush => None,
            Part::Last(written) => written,
        };
        let request = std::mem::take(&mut self.request);
        let trap = written.and_then(|written| self.switch.spring(written));
        match trap {
            None => {
                self.switch.pass().await;
                self.to_server.write_all(&request).await?;
                Ok(Next::GoesOn)
            }
            Some(trap @ Trap::CommitLost) => {
                self.switch.count(trap);
                Ok(Next::Ends)
            }
            Some(trap @ Trap::Torn) => {
                self.to_server.write_all(request.get(..request.len() / 2).unwrap_or_default()).await?;
                self.switch.count(trap);
                Ok(Next::Ends)
            }
            Some(trap @ Trap::ReplyLost) => {
                self.to_server.write_all(&request).await?;
                self.lose_answer(trap).await
            }
        }
    }

    /// Waits for the answer to a commit, and loses it. One that says that it failed is passed on: its outcome is
    /// no secret.
    async fn lose_answer(&mut self, trap: Trap) -> io::Result<Next> {
        let (mut answer, mut is_done, mut has_failed) = (Vec::new(), false, false);
        while self.conversation.unanswered() > 0 {
            let Some(message) = self.from_server.next().await? else { return Ok(Next::Ends) };
            is_done |= message.kind() == b'C';
            has_failed |= message.kind() == b'E';
            answer.extend_from_slice(message.bytes());
            self.conversation.received(&message);
        }
        if is_done && !has_failed {
            self.switch.count(trap);
            return Ok(Next::Ends);
        }
        self.to_client.write_all(&answer).await?;
        Ok(Next::GoesOn)
    }

    /// Passes what the server says on, all of it that is here.
    async fn pass_answer(&mut self, message: &Message) -> io::Result<Next> {
        let mut answer = message.bytes().to_vec();
        self.conversation.received(message);
        while self.from_server.has_next()
            && let Some(message) = self.from_server.next().await?
        {
            self.conversation.received(&message);
            answer.extend_from_slice(message.bytes());
        }
        self.switch.pass().await;
        self.to_client.write_all(&answer).await?;
        Ok(Next::GoesOn)
    }
}
