//! A small HTTP server that answers what a test tells it to, and remembers what it was asked.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The server; it ends with the runtime of its test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server that gives this answer to everybody, byte for byte, and closes the connection.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer.into()), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&seen)));
            }
        });
        Self { address, requests }
    }

    /// A server that answers with this status, these further headers and this JSON.
    pub(crate) async fn json(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}");
        Self::answering(format!("{head}connection: close\r\n\r\n{body}")).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Vec<u8>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(length @ 1..) => request.extend_from_slice(&chunk[..length]),
            _ => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8(request).unwrap());
    // A client that has had enough closes early.
    let _ignored = stream.write_all(&answer).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

impl Server {
    /// A server that gives its first visitor the first answer, its second the second, and the last to all others.
    pub(crate) async fn answering_in_turn(answers: Vec<Vec<u8>>) -> Self {
        Self::on(IpAddr::V4(Ipv4Addr::LOCALHOST), answers).await
    }

    /// The same on another address of this machine.
    pub(crate) async fn on(address: IpAddr, answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answers, seen) = (answers.into_iter().map(Arc::new).collect::<Vec<_>>(), Arc::clone(&requests));
        tokio::spawn(async move {
            let mut visitors = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(answers.get(visitors).or(answers.last()).unwrap());
                visitors += 1;
                tokio::spawn(serve(stream, answer, Arc::clone(&seen)));
            }
        });
        Self { address, requests }
    }

    /// The bodies of what it was asked, as JSON.
    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        let requests = self.requests();
        let bodies = requests.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1);
        bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// The idempotency keys of what it was asked, without the execution.
    pub(crate) fn keys(&self) -> Vec<String> {
        let requests = self.requests();
        let lines = requests.iter().map(|request| {
            request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).expect("a key").to_owned()
        });
        lines.map(|key| key.split_once('/').unwrap().1.to_owned()).collect()
    }
}

/// An answer with a status and a body of JSON.
pub(crate) fn json_answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
