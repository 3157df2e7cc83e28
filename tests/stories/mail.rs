//! A password that was forgotten, with a server of mail, and without one.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::mpsc,
};

use crate::{
    http::{Request, ask},
    turbocat::{Turbocat, within},
};

const NEW: &str = "another correct horse";

/// A server of mail, and the lines of all that it was sent.
async fn server_of_mail() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let (told, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (read, mut write) = stream.into_split();
            let (mut read, mut is_in_body) = (BufReader::new(read).lines(), false);
            write.write_all(b"220 here\r\n").await.unwrap();
            while let Ok(Some(line)) = read.next_line().await {
                let answer = match line.as_str() {
                    "." => "250 taken\r\n",
                    _ if is_in_body => "",
                    "DATA" => "354 go on\r\n",
                    "QUIT" => "221 bye\r\n",
                    _ => "250 yes\r\n",
                };
                is_in_body = (is_in_body || line == "DATA") && line != ".";
                told.send(line).unwrap();
                if write.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (url, lines)
}

/// The token in a text, if there is one.
fn token_in(text: &str) -> Option<String> {
    text.split_whitespace().find(|word| word.starts_with("tc_reset_")).map(str::to_owned)
}

async fn post(address: &str, path: &str, body: Value) -> u16 {
    let body = Some(("application/json", body.to_string()));
    ask(address, Request { method: "POST", path, body, ..Request::default() }).await.0
}

/// Asks for a reset, and uses the token that comes somehow.
async fn reset(address: &str, token: impl Future<Output = String>) {
    for email in ["ada@example.com", "nobody@example.com"] {
        assert_eq!(post(address, "/api/v1/password-resets", json!({ "email": email })).await, 202);
    }
    let token = within("the token comes", token).await;
    let confirm = json!({ "token": token, "password": NEW });
    assert_eq!(post(address, "/api/v1/password-resets/confirm", confirm.clone()).await, 204);
    assert_eq!(post(address, "/api/v1/password-resets/confirm", confirm).await, 422);
    for (password, status) in [(NEW, 201), ("correct horse", 401)] {
        let login = json!({ "email": "ada@example.com", "password": password });
        assert_eq!(post(address, "/api/v1/sessions", login).await, status, "{password}");
    }
}

async fn with_ada(turbocat: &Turbocat) {
    let create = ["users", "create", "--email", "ada@example.com", "--password", "correct horse"];
    turbocat.run(&create).await.success();
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_by_mail_and_no_token_is_stored() {
    let (url, mut lines) = server_of_mail().await;
    let turbocat = Turbocat::with_empty_database().await.with_environment(&[
        ("TURBOCAT_SMTP_URL", &url),
        ("TURBOCAT_MAIL_FROM", "Turbocat <cat@example.com>"),
        ("TURBOCAT_PUBLIC_URL", "https://cat.example"),
    ]);
    with_ada(&turbocat).await;
    let (server, address) = turbocat.up().await;
    let mut token = String::new();
    reset(&address, async {
        let mut receivers = Vec::new();
        while token.is_empty() {
            let line = lines.recv().await.unwrap();
            if line.starts_with("RCPT") {
                receivers.push(line.clone());
            }
            token = token_in(&line).unwrap_or_default();
        }
        assert_eq!(receivers, ["RCPT TO:<ada@example.com>"]);
        token.clone()
    })
    .await;
    let dump = turbocat.dump().await;
    assert!(dump.contains("user.password_reset") && !dump.contains(&token), "the token is in no table");
    server.signal("INT").await;
    assert!(server.end().await.success());
}

#[tokio::test]
async fn without_a_server_of_mail_it_is_in_the_log() {
    let turbocat = Turbocat::with_empty_database().await;
    with_ada(&turbocat).await;
    let (mut server, address) = turbocat.up().await;
    reset(&address, async {
        let is_mail = |line: &Value| line["fields"]["subject"] == "Set a new password for Turbocat";
        let line = server.log_line(is_mail).await;
        token_in(line["fields"]["text"].as_str().unwrap()).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_server_of_mail_that_cannot_be_used_is_told_at_the_start() {
    let turbocat = Turbocat::with_empty_database().await;
    for (url, from, told) in [
        ("smtp://u:hunter2@mail.example.com", "cat@example.com", "tls=required"),
        ("smtps://u:hunter2@mail.example.com", "", "TURBOCAT_MAIL_FROM"),
        ("mail.example.com", "cat@example.com", "TURBOCAT_SMTP_URL"),
    ] {
        let wrong = turbocat.careful().with_environment(&[("TURBOCAT_SMTP_URL", url), ("TURBOCAT_MAIL_FROM", from)]);
        let failed = wrong.run(&["up", "--listen", "127.0.0.1:0"]).await.failure();
        assert!(failed.stderr.contains(told) && !failed.stderr.contains("hunter2"), "{url}: {}", failed.stderr);
    }
}
