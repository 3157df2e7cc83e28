//! Reads messages of a program, and no more of one than its limit.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

/// A reader that fails when a line is longer than it may be. A message is a line.
pub(super) struct Bounded<R> {
    inner: R,
    most: usize,
    /// The bytes since the last end of a line.
    line: usize,
    was_exceeded: Arc<AtomicBool>,
}

impl<R> Bounded<R> {
    /// A reader, and the flag that tells later why it failed.
    pub(super) fn new(inner: R, most: usize) -> (Self, Arc<AtomicBool>) {
        let was_exceeded = Arc::new(AtomicBool::new(false));
        (Self { inner, most, line: 0, was_exceeded: Arc::clone(&was_exceeded) }, was_exceeded)
    }

    fn measure(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line += part.len();
            if self.line > self.most {
                self.was_exceeded.store(true, Ordering::Release);
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is longer than it may be"));
            }
            if part.ends_with(b"\n") {
                self.line = 0;
            }
        }
        Ok(())
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Bounded<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let measured = self.measure(fresh);
        if measured.is_err() {
            // Who fails has read nothing.
            buffer.set_filled(before);
        }
        Poll::Ready(measured)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_line_is_read_up_to_its_limit() {
        let mut text = Vec::new();
        let (mut reader, was_exceeded) = Bounded::new(&b"12345678\n1234567\n"[..], 9);
        assert_eq!(reader.read_to_end(&mut text).await.unwrap(), 17);
        assert!(!was_exceeded.load(Ordering::Acquire));

        let (mut reader, was_exceeded) = Bounded::new(&b"123456789\n"[..], 9);
        assert!(reader.read_to_end(&mut text).await.is_err());
        assert!(was_exceeded.load(Ordering::Acquire));
    }
}
