//! Secrets of users: set, used, put under another key, deleted; and nowhere to be found.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::turbocat::{Answer, Folder, Turbocat};

const VALUE: &str = "s3cret/välue+of ours";
/// The value in base64, percent-encoded and in hexadecimal digits.
const FORMS: [&str; 6] = [
    VALUE,
    "czNjcmV0L3bDpGx1ZStvZiBvdXJz",
    "s3cret%2Fv%C3%A4lue%2Bof%20ours",
    "s3cret%2fv%c3%a4lue%2bof%20ours",
    "s3cret/v\\u00e4lue+of ours",
    "7333637265742f76c3a46c75652b6f66206f757273",
];

/// A workflow that shows a secret to another side, hands one to a program, and keeps what comes back.
fn document(url: &str) -> String {
    format!(
        r#"
name: call
output: {{ answer: "${{{{ steps.call.output.body }}}}", program: "${{{{ steps.program.output }}}}" }}
steps:
  - {{ key: call, type: agent, agent: caller, inputs: {{ key: "${{{{ secrets.STORY_KEY }}}}" }} }}
  - {{ key: program, type: agent, agent: program }}
---
kind: agent
name: caller
type: api
config:
  url: "{url}"
  auth: {{ type: header, name: X-Key, value: "${{{{ input.key }}}}" }}
---
kind: agent
name: program
type: code
config:
  language: javascript
  secrets: [STORY_KEY]
  source: |
    export default (inputs, context) => {{
      const key = context.secrets.STORY_KEY;
      console.log("it is " + key);
      return {{ length: key.length, key, encoded: encodeURIComponent(key) }};
    }}
"#
    )
}

/// Another side that repeats what it was shown, in every form; `/refuse` does it in an error.
struct Mirror {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Mirror {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&told)));
            }
        });
        Self { address, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often it was shown the value.
    fn count(&self) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.contains(VALUE)).count()
    }
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|part| part == b"\r\n\r\n") {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(length @ 1..) => request.extend_from_slice(&chunk[..length]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let status = if request.starts_with("GET /refuse") { "403 Forbidden" } else { "200 OK" };
    let shown = request.lines().find_map(|line| line.strip_prefix("x-key: ")).unwrap_or_default();
    let body = json!({ "shown": shown, "forms": &FORMS[1..4] }).to_string();
    seen.lock().unwrap().push(request);
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    // Who has gone away asks again.
    let _sent = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
}

fn assert_untold(what: &str, text: &str) {
    for form in FORMS {
        assert!(!text.contains(form), "{what} tells the secret as {form}");
    }
}

fn untold(answer: Answer) -> Answer {
    assert_untold("standard output", &answer.stdout);
    assert_untold("standard error", &answer.stderr);
    answer
}

#[tokio::test]
async fn a_secret_is_used_and_is_nowhere_to_be_found_and_is_gone_when_it_is_deleted() {
    let (mirror, folder) = (Mirror::start().await, Folder::new("secrets"));
    let data = folder.path().join("data");
    let turbocat = Turbocat::with_database()
        .await
        .with_option(format!("--data-dir={}", data.display()))
        .with_variable("TURBOCAT_EGRESS_ALLOW", "127.0.0.1");
    let value = folder.write("value", &format!("{VALUE}\n"));
    let file = folder.write("call.yaml", &document(&mirror.url("/")));
    let set = ["secrets", "set", "STORY_KEY", "--file", &value, "--host", "127.0.0.1", "--json"];

    let made = untold(turbocat.run(&set).await.success()).value();
    assert_eq!((&made["name"], &made["hosts"]), (&json!("STORY_KEY"), &json!(["127.0.0.1"])));
    let ran = untold(turbocat.run(&["run", &file]).await.success()).value();
    assert_eq!(mirror.count(), 1, "it was sent");
    assert_eq!(ran["answer"]["shown"], "[secret]", "{ran}");
    let length = VALUE.encode_utf16().count();
    assert_eq!(ran["program"], json!({ "length": length, "key": "[secret]", "encoded": "[secret]" }));

    let refused = folder.write("refused.yaml", &document(&mirror.url("/refuse")));
    let failed = untold(turbocat.run(&["run", &refused]).await.failure());
    assert!(failed.stderr.contains("403") && failed.stderr.contains("[secret]"), "{}", failed.stderr);

    // The keys are where only their owner can read them, and a new one takes all with it.
    let keys = std::fs::read_to_string(data.join("secrets.key")).unwrap();
    let before = turbocat.dump().await;
    let rotated = turbocat.run(&["secrets", "rotate", "--json"]).await.success().value();
    assert_eq!(rotated["resealed"], 1, "{rotated}");
    let after = turbocat.dump().await;
    let key_id = rotated["key_id"].as_str().unwrap();
    assert!(!before.contains(key_id) && after.contains(key_id));
    turbocat.run(&["run", &file]).await.success();
    assert_eq!(mirror.count(), 3, "it is still there");

    let listed = untold(turbocat.run(&["secrets", "list", "--json"]).await.success());
    assert_eq!(listed.values().len(), 1);
    let dump = turbocat.dump().await;
    for noted in ["STORY_KEY", "secret.set", "secret.rotated", "it is [secret]", "403"] {
        assert!(dump.contains(noted), "{noted} is not in the database");
    }
    assert_untold("the database", &dump);
    assert!(keys.lines().all(|key| !dump.contains(key)), "a key is in the database");

    turbocat.run(&["secrets", "delete", "STORY_KEY"]).await.success();
    let failed = turbocat.run(&["run", &file]).await.failure();
    assert!(failed.stderr.contains("turbocat secrets set STORY_KEY"), "{}", failed.stderr);
    assert_eq!(mirror.count(), 3, "nothing was sent");
    turbocat.run(&["secrets", "delete", "STORY_KEY"]).await.failure();
    assert!(turbocat.dump().await.contains("secret.deleted"));
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_told_at_once_and_its_value_is_not() {
    let folder = Folder::new("bad-secret");
    let turbocat =
        Turbocat::with_database().await.with_option(format!("--data-dir={}", folder.path().join("data").display()));
    let short = folder.write("short", "hunter2");

    let set = ["secrets", "set", "1-BAD", "--file", &short, "--host", "https://example.com"];
    let refused = turbocat.run(&set).await.failure();

    for told in ["1-BAD", "7 bytes", "https://example.com"] {
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
}
