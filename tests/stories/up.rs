//! `turbocat up`.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::turbocat::{Turbocat, within};

/// Asks the server, and returns the status and the body.
async fn get(address: &str, path: &str) -> (u16, String) {
    within(&format!("{path} answers"), async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    })
    .await
}

#[tokio::test]
async fn the_server_is_healthy_and_ready_and_ends_cleanly() {
    let turbocat = Turbocat::with_empty_database().await;
    let (server, address) = turbocat.up().await;

    let (status, health) = get(&address, "/health").await;
    assert!(status == 200 && health.contains("\"ok\""), "{health}");
    let (status, ready) = get(&address, "/ready").await;
    assert!(status == 200 && ready.contains("\"ready\""), "{ready}");
    let (status, missing) = get(&address, "/nothing").await;
    assert!(status == 404 && missing.contains("not_found"), "{missing}");

    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
    assert!(TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_at_once() {
    let turbocat = Turbocat::with_database().await;
    let (server, address) = turbocat.up().await;

    let second = turbocat.run(&["up", "--listen", &address]).await.failure();

    assert!(second.stderr.contains(&format!("cannot listen on {address}")), "{}", second.stderr);
    server.signal("INT").await;
    assert_eq!(server.end().await.code(), Some(0));
}
