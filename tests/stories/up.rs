//! `turbocat up`.

use tokio::net::TcpStream;

use crate::{
    http::{Request, ask},
    turbocat::Turbocat,
};

async fn get(address: &str, path: &str) -> (u16, String) {
    ask(address, Request { method: "GET", path, ..Request::default() }).await
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
