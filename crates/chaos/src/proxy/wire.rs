//! Messages of the protocol of `PostgreSQL`, version 3, cut out of a stream.
//!
//! A message is a letter, a length that counts itself, and a body; the first one of a client has no letter. Nothing
//! of a body is checked here but the texts that are asked for.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest message that is taken; longer ones are a stream that was lost track of.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;
/// What a client asks before it starts: for encryption, or for another one's statement to be cancelled.
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// One message, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// The letter.
    pub(crate) fn kind(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// What comes after the length.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(5..).unwrap_or_default()
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first texts of the body, each of which ends with a zero byte.
    pub(crate) fn texts<const N: usize>(&self) -> [&str; N] {
        let mut parts = self.body().split(|&byte| byte == 0);
        std::array::from_fn(|_| parts.next().and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default())
    }
}

/// What a client begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It asks for encryption, which is refused by the letter N.
    Encryption,
    /// It wants a statement of another connection to be cancelled.
    Cancel(Vec<u8>),
    /// It starts a session.
    Session(Vec<u8>),
}

/// The messages of one direction. May be dropped between two messages, and in the wait for one.
pub(crate) struct Messages<R> {
    source: R,
    buffer: Vec<u8>,
    /// Where in the buffer the next message begins.
    at: usize,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), at: 0 }
    }

    /// The message that a client begins with; `None` if it goes away.
    pub(crate) async fn opening(&mut self) -> io::Result<Option<Opening>> {
        let Some(bytes) = self.cut(0).await? else { return Ok(None) };
        let code = bytes.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        Ok(Some(match code {
            Some(SSL_REQUEST | GSS_REQUEST) => Opening::Encryption,
            Some(CANCEL_REQUEST) => Opening::Cancel(bytes),
            _ => Opening::Session(bytes),
        }))
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Message>> {
        Ok(self.cut(1).await?.map(|bytes| Message { bytes }))
    }

    /// Whether the next message is here in full already.
    pub(crate) fn has_next(&self) -> bool {
        matches!(self.end_of_next(1), Ok(Some(_)))
    }

    /// Cuts the next message out, whose length stands behind so many letters.
    async fn cut(&mut self, letters: usize) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.end_of_next(letters)? {
                let message = self.buffer.get(self.at..end).unwrap_or_default().to_vec();
                self.at = end;
                return Ok(Some(message));
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            self.buffer.reserve(READ_BYTES);
            if self.source.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Where the next message ends in the buffer; `None` if it is not there in full.
    fn end_of_next(&self, letters: usize) -> io::Result<Option<usize>> {
        let lost_track = || io::Error::new(io::ErrorKind::InvalidData, "a message has an impossible length");
        let begin = self.at + letters;
        let Some(length) = self.buffer.get(begin..begin + 4) else { return Ok(None) };
        let length = length.try_into().map(u32::from_be_bytes).map_err(|_| lost_track())?;
        let length = usize::try_from(length).map_err(|_| lost_track())?;
        if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(lost_track());
        }
        Ok(Some(begin + length).filter(|&end| end <= self.buffer.len()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message of a letter and a body.
    pub(crate) fn message(kind: u8, body: &[u8]) -> Message {
        let mut bytes = vec![kind];
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        Message { bytes }
    }

    #[tokio::test]
    async fn messages_are_cut_out_however_the_stream_is_broken_up() {
        let sent = [message(b'P', b"s1\0SELECT 1\0\0\0"), message(b'S', b""), message(b'D', &vec![7; 40_000])];
        let stream: Vec<u8> = sent.iter().flat_map(|message| message.bytes().to_vec()).collect();
        for size in [1, 3, 7, 1_000, stream.len()] {
            let mut source = tokio_test(&stream, size);
            let mut received = Vec::new();
            while let Some(message) = source.next().await.unwrap() {
                received.push(message);
            }
            assert_eq!(received, sent, "in pieces of {size}");
        }
    }

    fn tokio_test(stream: &[u8], size: usize) -> Messages<Pieces<'_>> {
        Messages::new(Pieces { rest: stream, size })
    }

    struct Pieces<'a> {
        rest: &'a [u8],
        size: usize,
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let (piece, rest) = self.rest.split_at(self.size.min(self.rest.len()).min(buffer.remaining()));
            buffer.put_slice(piece);
            self.rest = rest;
            std::task::Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_client_that_begins_is_told_from_one_that_asks_for_encryption() {
        let mut stream = 8_u32.to_be_bytes().to_vec();
        stream.extend(SSL_REQUEST.to_be_bytes());
        let session = [12_u32.to_be_bytes(), 196_608_u32.to_be_bytes(), [b'u', 0, b'x', 0]].concat();
        stream.extend(&session);
        let mut messages = Messages::new(stream.as_slice());

        assert_eq!(messages.opening().await.unwrap(), Some(Opening::Encryption));
        assert_eq!(messages.opening().await.unwrap(), Some(Opening::Session(session)));
        assert_eq!(messages.opening().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_is_refused() {
        let stream = [&b"Q"[..], &3_u32.to_be_bytes()].concat();

        assert!(Messages::new(stream.as_slice()).next().await.is_err());
    }

    #[test]
    fn the_texts_of_a_message_are_read() {
        assert_eq!(message(b'P', b"name\0SELECT 1\0\0\0").texts(), ["name", "SELECT 1"]);
        assert_eq!(message(b'E', b"\0\0\0\0\0").texts(), [""]);
    }
}
