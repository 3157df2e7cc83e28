//! An agent that talks with a model for twelve turns, and whose process is killed while it does.
//!
//! The model is a server of the story's own, which counts what it is asked and answers after a moment. What was recorded
//! is read from the database while nobody runs: whatever is asked under a key that stood there then is a repetition
//! that was promised not to happen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{self, Instant},
};

use crate::turbocat::{Folder, Turbocat, within};

const TURNS: usize = 12;
/// How long the model and its tool think: long enough for a process to die meanwhile.
const THINKS: Duration = Duration::from_millis(40);

const TALK: &str = r#"
name: talk
output: { text: "${{ steps.talk.output.text }}", turns: "${{ size(steps.talk.output.turns) }}" }
steps:
  - key: talk
    type: agent
    agent: talker
    timeout_ms: 300000
    retry_count: 3
---
kind: agent
name: talker
type: llm
config:
  provider: openai
  model: m
  prompt: Take your notes.
  max_turns: 20
  tools:
    - name: note
      description: Takes a note.
      input: { type: object, required: [n], properties: { n: { type: integer } } }
      http: { method: POST, url: "http://127.0.0.1:PORT/note", body: "${{ input }}" }
"#;

/// A model and its tool, which remember every request by its key, in their order.
#[derive(Clone)]
struct Stub {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    /// Counts every request twice: when it has come, and when it is answered.
    moved: watch::Sender<usize>,
}

impl Stub {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stub = Self { port, asked: Arc::default(), moved: watch::Sender::default() };
        let serving = stub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stub = serving.clone();
                tokio::spawn(async move { stub.serve(stream).await });
            }
        });
        stub
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let (head, body) = loop {
            let mut chunk = vec![0; 16_384];
            match stream.read(&mut chunk).await {
                Ok(length @ 1..) => request.extend_from_slice(&chunk[..length]),
                _ => return,
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break (head.to_owned(), body.to_owned());
            }
        };
        let key = head.lines().find_map(|line| {
            line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("idempotency-key")).map(|(_, key)| key)
        });
        self.asked.lock().unwrap().push(key.expect("every request has a key").split_once('/').unwrap().1.to_owned());
        self.moved.send_modify(|moved| *moved += 1);
        time::interval_at(Instant::now() + THINKS, THINKS).tick().await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let answer = if head.starts_with("POST /note ") { json!({ "noted": body["n"] }) } else { turn(&body) };
        let answer = answer.to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let _gone =
            stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len()).as_bytes()).await;
        self.moved.send_modify(|moved| *moved += 1);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The model calls its tool in every turn but the last. Which it is, it knows from what it said before.
fn turn(body: &Value) -> Value {
    let messages = body["messages"].as_array().unwrap();
    let said = messages.iter().filter(|message| message["role"] == "assistant").count();
    // Everything that was noted before is there, in its order.
    let noted: Vec<&str> = messages
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(noted.len(), said);
    assert!(noted.iter().enumerate().all(|(n, note)| note.contains(&format!("\"noted\":{}", n + 1))), "{noted:?}");
    let number = said + 1;
    let function = json!({ "name": "note", "arguments": json!({ "n": number }).to_string() });
    let message = if number < TURNS {
        json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": format!("c{number}"), "type": "function", "function": function },
        ] })
    } else {
        json!({ "role": "assistant", "content": "That is all." })
    };
    json!({
        "model": "m", "choices": [{ "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1 },
    })
}

/// What came of one conversation.
#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    requests: usize,
    /// Requests under a key that stood in the database while nobody ran.
    repeated_committed: usize,
    /// Requests under a key that was asked before and did not stand.
    repeated_in_flight: usize,
    /// The most of them between two kills.
    repeated_at_once: usize,
}

/// Holds a conversation, and kills the process after so many movements of the model, again and again.
async fn talk(movements: &[usize]) -> Counts {
    let stub = Stub::start().await;
    let turbocat = Turbocat::with_database().await.with_environment(&[
        ("OPENAI_BASE_URL", &format!("http://127.0.0.1:{}/v1", stub.port)),
        ("TURBOCAT_EGRESS_ALLOW", "127.0.0.1"),
    ]);
    let folder = Folder::new(&format!("talk-{}", stub.port));
    let file = folder.write("talk.yaml", &TALK.replace("PORT", &stub.port.to_string()));
    let db = sqlx::PgPool::connect(turbocat.database_url()).await.unwrap();

    let mut run = turbocat.start(&["run", &file, "--json"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    let id = accepted["execution"].as_str().unwrap().to_owned();
    let mut counts = Counts::default();
    let mut committed: BTreeSet<String> = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut looked_at = 0;
    let mut process = run;
    for wanted in movements {
        // Some deaths come before a request is answered, some after: a movement is either.
        let mut moved = stub.moved.subscribe();
        let until = *moved.borrow() + wanted;
        within("the conversation moves", moved.wait_for(|moved| *moved >= until)).await.unwrap();
        process.signal("KILL").await;
        process.end().await;
        counts.kills += 1;
        count(&stub, (&committed, &mut seen, &mut looked_at), &mut counts);
        let keys: Vec<String> =
            sqlx::query_scalar("SELECT path || '/' || key FROM step_parts").fetch_all(&db).await.unwrap();
        committed = keys.into_iter().collect();
        if committed.len() >= 2 * TURNS - 1 {
            process = turbocat.up().await.0;
            break;
        }
        process = turbocat.up().await.0;
    }
    let shown = turbocat.until(&id, "completed").await;
    assert_eq!(shown["output"], json!({ "text": "That is all.", "turns": TURNS }));
    count(&stub, (&committed, &mut seen, &mut looked_at), &mut counts);
    process.signal("KILL").await;
    process.end().await;
    db.close().await;
    // Nothing was left out: twelve turns, and a note in each but the last.
    assert_eq!(seen.len(), 2 * TURNS - 1, "{seen:?}");
    counts
}

/// Counts what was asked since the last look.
fn count(
    stub: &Stub,
    (committed, seen, looked_at): (&BTreeSet<String>, &mut BTreeMap<String, usize>, &mut usize),
    counts: &mut Counts,
) {
    let asked = stub.asked();
    let mut at_once = 0;
    for key in &asked[*looked_at..] {
        counts.requests += 1;
        let times = seen.entry(key.clone()).or_default();
        *times += 1;
        if committed.contains(key) {
            counts.repeated_committed += 1;
        } else if *times > 1 {
            at_once += 1;
        }
    }
    *looked_at = asked.len();
    counts.repeated_in_flight += at_once;
    counts.repeated_at_once = counts.repeated_at_once.max(at_once);
}

/// `TURBOCAT_STORY_TALKS` asks for more conversations than one.
#[tokio::test]
async fn what_a_killed_conversation_has_paid_for_is_never_paid_for_again() {
    let talks: usize = std::env::var("TURBOCAT_STORY_TALKS").ok().and_then(|talks| talks.parse().ok()).unwrap_or(1);
    let mut all = Counts::default();
    for talk_number in 0..talks {
        // From one movement (a request that has no answer yet) to some.
        let movements: Vec<usize> = (0..10).map(|kill| 1 + (kill * 3 + talk_number) % 5).collect();
        let counts = talk(&movements).await;
        all.kills += counts.kills;
        all.requests += counts.requests;
        all.repeated_committed += counts.repeated_committed;
        all.repeated_in_flight += counts.repeated_in_flight;
        all.repeated_at_once = all.repeated_at_once.max(counts.repeated_at_once);
    }
    println!("{talks} conversations of {TURNS} turns: {all:?}");
    assert_eq!(all.repeated_committed, 0, "{all:?}");
    assert!(all.repeated_in_flight <= all.kills && all.repeated_at_once <= 1, "{all:?}");
    assert!(all.kills >= 5 * talks && all.repeated_in_flight > 0, "too few deaths were in the way: {all:?}");
}
