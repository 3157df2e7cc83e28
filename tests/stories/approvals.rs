//! People who decide what an execution waits for, events from elsewhere, and the log of who did what.

use serde_json::{Value, json};
use tokio::time;

use crate::{
    http::{Request, get, json},
    turbocat::{Folder, LOOK, Turbocat, within},
};

const PAYMENT: &str = "
name: payment
output: { by: '${{ steps.ask.output.by }}', order: '${{ steps.paid.output.order }}' }
steps:
  - key: ask
    type: wait
    config: { approval: { approvers: [bob@example.com], buttons: [now, later] } }
  - key: paid
    type: wait
    depends_on: [ask]
    config: { event: { name: order.paid }, lookback_ms: 600000 }
";

async fn key_of(turbocat: &Turbocat, email: &str) -> String {
    turbocat.run(&["users", "create", "--email", email]).await.success();
    let made = turbocat.run(&["keys", "create", "--user", email, "--name", "story", "--scope", "*"]).await;
    made.success().stdout.trim().to_owned()
}

fn post<'a>(path: &'a str, key: &'a str, body: &Value) -> Request<'a> {
    Request { method: "POST", path, key, body: Some(("application/json", body.to_string())), ..Request::default() }
}

/// What waits for somebody, as soon as something does.
async fn waiting(address: &str, key: &str) -> Value {
    within("something waits for a decision", async {
        let mut look = time::interval(LOOK);
        loop {
            let (status, listed) = json(address, get("/api/v1/approvals", key)).await;
            assert_eq!(status, 200, "{listed}");
            if let Some(first) = listed["items"].get(0) {
                return first.clone();
            }
            look.tick().await;
        }
    })
    .await
}

#[tokio::test]
async fn an_execution_goes_on_when_who_is_asked_approves_over_http() {
    let turbocat = Turbocat::with_database().await;
    let (first, one) = turbocat.up().await;
    let (second, other) = turbocat.up().await;
    let (ada, bob) = (key_of(&turbocat, "ada@example.com").await, key_of(&turbocat, "bob@example.com").await);
    let publish = Request { body: Some(("application/yaml", PAYMENT.to_owned())), ..get("/api/v1/workflows", &ada) };
    assert_eq!(json(&one, Request { method: "POST", ..publish }).await.0, 201);
    let (status, begun) = json(&one, post("/api/v1/executions", &ada, &json!({ "workflow": "payment" }))).await;
    assert_eq!(status, 202, "{begun}");
    let id = begun["id"].as_str().unwrap();

    let asked = waiting(&other, &bob).await;
    assert_eq!(
        (&asked["execution_id"], &asked["path"], &asked["may_decide"]),
        (&json!(id), &json!("ask"), &json!(true))
    );
    let decide = format!("/api/v1/approvals/{id}/decide");
    let yes = json!({ "path": "ask", "approved": true, "button": "now" });
    assert_eq!(json(&one, post(&decide, &ada, &yes)).await.0, 403, "who asks does not decide");
    let sent =
        json(&other, post("/api/v1/events", &bob, &json!({ "name": "order.paid", "payload": { "order": 1 } }))).await;
    assert_eq!(sent.0, 202, "what others send is not hers");
    let paid = json!({ "name": "order.paid", "payload": { "order": 7 } });
    assert_eq!(json(&other, post("/api/v1/events", &ada, &paid)).await.0, 202, "it comes early, and is found");
    let (status, decided) = json(&other, post(&decide, &bob, &yes)).await;
    assert_eq!(status, 202, "{decided}");

    let ended = turbocat.until(id, "completed").await;
    assert_eq!(ended["output"], json!({ "by": "bob@example.com", "order": 7 }), "{ended}");
    assert_eq!(json(&one, post(&decide, &bob, &yes)).await.0, 404, "it is over");
    let (_, log) = json(&one, get("/api/v1/audit-logs", &bob)).await;
    assert_eq!(log["items"][0]["action"], "execution.approved", "{log}");
    for server in [first, second] {
        server.signal("TERM").await;
        assert_eq!(server.end().await.code(), Some(0));
    }
}

#[tokio::test]
async fn the_command_line_decides_sends_and_finds_who_has_tampered_with_the_log() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("approvals");
    let text = PAYMENT.replace("approvers: [bob@example.com], ", "");
    turbocat.run(&["apply", "-f", &folder.write("payment.yaml", &text)]).await.success();
    let (server, address) = turbocat.up().await;
    let made = turbocat.run(&["keys", "create", "--name", "story", "--scope", "*"]).await.success();
    let key = made.stdout.trim().to_owned();
    let (_, begun) = json(&address, post("/api/v1/executions", &key, &json!({ "workflow": "payment" }))).await;
    let id = begun["id"].as_str().unwrap();
    waiting(&address, &key).await;

    let listed = turbocat.run(&["approvals", "list", "--json"]).await.success().values();
    assert_eq!((&listed[0]["execution"], &listed[0]["path"]), (&json!(id), &json!("ask")));
    turbocat.run(&["approvals", "approve", id, "ask", "--button", "never"]).await.failure();
    turbocat.run(&["approvals", "approve", id, "ask", "--button", "later"]).await.success();
    turbocat.run(&["events", "send", "order.paid", "--payload", "{\"order\": 8}"]).await.success();
    let ended = turbocat.until(id, "completed").await;
    assert_eq!(ended["output"], json!({ "by": "admin@turbocat.dev", "order": 8 }), "{ended}");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));

    let head = turbocat.run(&["audit", "verify"]).await.success().stdout.trim().to_owned();
    turbocat.run(&["audit", "verify", "--head", &head]).await.success();
    turbocat.sql("ALTER TABLE audit_logs DISABLE TRIGGER audit_logs_no_update").await;
    turbocat
        .sql("UPDATE audit_logs SET created_at = created_at - INTERVAL '1 day' WHERE action = 'execution.approved'")
        .await;
    let found = turbocat.run(&["audit", "verify", "--json"]).await.failure().value();
    let breaches = found["breaches"].as_array().unwrap();
    assert!(breaches.len() == 1 && breaches[0].as_str().unwrap().ends_with("was edited"), "{found}");
    assert_eq!(turbocat.run(&["schedules", "list", "--json"]).await.success().stdout, "");
}
