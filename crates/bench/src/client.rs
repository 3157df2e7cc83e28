//! A client of HTTP that costs next to nothing: one connection, prepared requests, answers of a known length.

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    line: String,
    /// The body of the last answer.
    pub(crate) body: Vec<u8>,
}

/// A request as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Request(Vec<u8>);

impl Request {
    /// A request for a path, with a key and a body in JSON where there are any.
    pub(crate) fn new(method: &str, path: &str, key: Option<&str>, body: Option<&str>) -> Self {
        let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let body = body.unwrap_or_default();
        let length = body.len();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n{key}{kind}Content-Length: {length}\r\n\r\n{body}");
        Self(head.into_bytes())
    }
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// If nobody listens.
    pub(crate) async fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// Sends a request, takes in the whole answer, and returns its status.
    ///
    /// # Errors
    ///
    /// If the connection ends, or the answer does not say how long it is.
    pub(crate) async fn send(&mut self, request: &Request) -> anyhow::Result<u16> {
        self.stream.get_mut().write_all(&request.0).await?;
        let status = self.next_line().await?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut length = None;
        loop {
            let line = self.next_line().await?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
        self.body.resize(length.context("an answer does not say how long it is")?, 0);
        self.stream.read_exact(&mut self.body).await?;
        status.context("an answer has no status")
    }

    /// The same, if the status is the one that is wanted.
    ///
    /// # Errors
    ///
    /// If it is another.
    pub(crate) async fn want(&mut self, status: u16, request: &Request) -> anyhow::Result<()> {
        let got = self.send(request).await?;
        ensure!(got == status, "the server answers {got}, not {status}: {}", String::from_utf8_lossy(&self.body));
        Ok(())
    }

    async fn next_line(&mut self) -> anyhow::Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line).await? > 0, "the server has closed the connection");
        Ok(self.line.trim_end())
    }
}
