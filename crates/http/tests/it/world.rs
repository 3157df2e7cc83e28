//! A server on a store in memory, with somebody's things in it, and everybody who might ask for them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{self, Body},
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use turbocat_application::{
    Access, AccessPorts, Actor, AgentConfigValidator, Match, NewAccount, NewKey, NoRandomness, Origin, PasswordError,
    Passwords, Ports, SecretSource, Selector, SourceFile, StartExecution, UseCases,
};
use turbocat_domain::{
    agent::AgentType,
    execution::TriggerType,
    id::{ExecutionId, UserId},
    port::{
        AuditLogFilter, ClaimRequest, Clock, CommitOutcome, ExecutionQueue, Journal, JournalBatch, Mail, PageRequest,
        ParkedExecution, Queries, Store, WaitRecord, WorkerRepository,
    },
    problem::Problems,
    user::{User, UserRole},
    value::SecretHash,
};
use turbocat_http::{Check, Peer, Readiness, State, router};
use turbocat_schema::JsonSchemas;
use turbocat_testkit::{builder, ids::SequentialIds, mail::Mailbox, memory::MemoryStore};

pub(crate) const PASSWORD: &str = "correct horse";

/// A workflow with an agent, as documents.
pub(crate) const HELLO: &str = "
name: hello
input: { type: object, properties: { name: { type: string, maxLength: 5 } } }
steps: [{ key: greet, type: agent, agent: greeter }]
---
kind: agent
name: greeter
type: data
config: { program: . }
";

/// The server.
pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) mailbox: Arc<Mailbox>,
    passwords: Arc<PlainPasswords>,
    pub(crate) state: State,
    pub(crate) router: Router,
    pub(crate) admin: User,
    pub(crate) owner: User,
    pub(crate) other: User,
}

impl World {
    /// A server with an administrator and two users.
    pub(crate) async fn new() -> Self {
        Self::with_readiness(Fixed(Vec::new())).await
    }

    /// The same, that is as ready as is said.
    pub(crate) async fn with_readiness(readiness: impl Readiness + 'static) -> Self {
        let (store, ids) = (MemoryStore::default(), Arc::new(SequentialIds::new(1)));
        let (mailbox, passwords) = (Arc::new(Mailbox::default()), Arc::new(PlainPasswords::default()));
        let use_cases = UseCases::new(Ports {
            store: Arc::new(store.clone()),
            queries: Arc::new(store.clone()),
            queue: Arc::new(store.clone()),
            clock: Arc::new(store.clock().clone()),
            ids: Arc::clone(&ids) as _,
            schemas: Arc::new(JsonSchemas::default()),
            agent_configs: Arc::new(AnyConfig),
        });
        let access = Access::new(
            use_cases.clone(),
            AccessPorts {
                limiter: Arc::new(store.clone()),
                ledger: Arc::new(store.clone()),
                passwords: Arc::clone(&passwords) as _,
                secrets: Arc::new(Counting::default()),
                cipher: Arc::new(turbocat_testkit::cipher::PlainCipher::default()),
                mailer: Arc::clone(&mailbox) as _,
                public_url: "https://cat.example/".to_owned(),
            },
        );
        let state = State::new(
            Arc::new(readiness),
            (use_cases, access),
            (Arc::new(store.clone()), ids),
            CancellationToken::new(),
        );
        let admin = User { role: UserRole::Admin, ..builder::a_user(state.ids.as_ref()) };
        let mut uow = store.begin().await.unwrap();
        uow.users().insert(&admin).await.unwrap();
        uow.commit().await.unwrap();
        let account = async |email: &str| account(&state, &admin, (email, UserRole::User)).await;
        let (owner, other) = (account("owner@example.com").await, account("other@example.com").await);
        Self { store, mailbox, passwords, router: router(state.clone()), state, admin, owner, other }
    }

    /// Another account.
    pub(crate) async fn account(&self, email: &str, role: UserRole) -> User {
        account(&self.state, &self.admin, (email, role)).await
    }

    /// A key of a user with these scopes.
    pub(crate) async fn key(&self, user: &User, scopes: &[&str]) -> String {
        self.key_with(user, scopes, |_| {}).await
    }

    /// The same, made in another way.
    pub(crate) async fn key_with(&self, user: &User, scopes: &[&str], adjust: impl FnOnce(&mut NewKey)) -> String {
        let mut wanted = NewKey {
            name: "test".to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            owner: Some(user.id),
            expires_at: None,
            rate_limit_per_minute: Some(6_000_000),
        };
        adjust(&mut wanted);
        let issued = self.state.access.create_key(Actor::from(&self.admin), wanted, &Origin::default()).await.unwrap();
        issued.token.expose().to_owned()
    }

    /// Publishes documents for somebody.
    pub(crate) async fn publish(&self, user: &User, text: &str) -> Value {
        self.store.clock().advance_ms(1);
        let file = SourceFile { name: "w.yaml".to_owned(), text: text.to_owned() };
        self.state.use_cases.publish(Actor::from(user), &[file]).await.unwrap().to_value()
    }

    /// Starts an execution of a workflow for its owner.
    pub(crate) async fn start(&self, user: &User, workflow: &str) -> ExecutionId {
        self.store.clock().advance_ms(1);
        let request = StartExecution {
            id: ExecutionId::from_uuid(self.state.ids.next()),
            workflow: Selector::Name(workflow.to_owned()),
            input: json!({}),
            trigger_type: TriggerType::Api,
            trigger_data: json!({}),
        };
        self.state.use_cases.start_execution(Actor::from(user), &self.store, request).await.unwrap()
    }

    /// Lets a worker claim an execution, and park it as one that waits for an approval at a path.
    pub(crate) async fn park(&self, id: ExecutionId, path: &str) {
        let worker = builder::a_worker(self.state.ids.as_ref());
        self.store.register(&worker).await.unwrap();
        self.store.claim(ClaimRequest { worker: worker.id, limit: u32::MAX }).await.unwrap();
        let wait = WaitRecord { path: path.to_owned(), event_name: "approval".to_owned(), since: self.now() };
        let wake_at = self.now() + chrono::TimeDelta::days(365);
        let batch = JournalBatch {
            parked: vec![ParkedExecution { id, wake_at, waits: vec![wait] }],
            ..JournalBatch::default()
        };
        assert_eq!(self.store.commit(worker.id, &batch).await.unwrap(), CommitOutcome::Committed);
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Ask<'_>) -> Answer {
        send(&self.router, request).await
    }

    /// Asks for a path with a key.
    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(Ask { key: Some(key), path, ..Ask::default() }).await
    }

    /// Posts JSON to a path with a key.
    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(Ask { method: "POST", key: Some(key), path, body: Some(body), ..Ask::default() }).await
    }

    /// The token of a mail.
    pub(crate) fn token_in(mail: &Mail) -> String {
        let token = mail.text.split_whitespace().find(|word| word.starts_with("tc_"));
        token.unwrap_or_else(|| panic!("there is none in {}", mail.text)).to_owned()
    }

    /// What the audit log says, the oldest first.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let (all, page) = (AuditLogFilter::default(), PageRequest { limit: 200, after: None });
        let entries = self.store.audit_logs().list(&all, page).await.unwrap().items;
        entries.into_iter().rev().map(|entry| entry.action).collect()
    }

    /// How often a password was compared with a hash.
    pub(crate) fn comparisons(&self) -> u32 {
        self.passwords.compared.load(Ordering::SeqCst)
    }

    /// The time of the server.
    pub(crate) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.store.clock().now()
    }
}

async fn account(state: &State, admin: &User, (email, role): (&str, UserRole)) -> User {
    let password = (role != UserRole::Agent).then(|| PASSWORD.to_owned());
    let wanted = NewAccount { email: email.to_owned(), full_name: None, role, password };
    state.access.create_user(Actor::from(admin), wanted, &Origin::default()).await.unwrap()
}

/// Sends a request to a server.
pub(crate) async fn send(router: &Router, request: Ask<'_>) -> Answer {
    let mut builder = Request::builder().method(request.method).uri(request.path);
    if let Some(key) = request.key {
        builder = builder.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    for (name, value) in request.headers {
        builder = builder.header(*name, *value);
    }
    let body = match request.body {
        Some(json) => {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
            Body::from(json.to_string())
        }
        None => Body::from(request.text.to_owned()),
    };
    let peer: SocketAddr = request.from.parse().unwrap();
    let request = builder.extension(ConnectInfo(Peer(peer))).body(body).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = body::to_bytes(response.into_body(), 64 * 1024 * 1024).await.unwrap();
    Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<Value>,
    pub(crate) text: &'a str,
    pub(crate) from: &'a str,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { method: "GET", path: "/", key: None, headers: &[], body: None, text: "", from: "192.0.2.1:4711" }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The body, of an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem document, of an answer that is one with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text);
        let document = self.expect(status);
        assert_eq!((&document["code"], &document["status"]), (&json!(code), &json!(status)), "{document}");
        assert!(document["request_id"].is_string() && document["title"].is_string(), "{document}");
        document
    }

    /// A header of the answer.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// As ready as is said.
pub(crate) struct Fixed(pub(crate) Vec<Check>);

#[async_trait]
impl Readiness for Fixed {
    async fn check(&self) -> Vec<Check> {
        self.0.clone()
    }
}

pub(crate) struct AnyConfig;

#[async_trait]
impl AgentConfigValidator for AnyConfig {
    async fn check(&self, _kind: AgentType, _config: &Value) -> Result<(), Problems> {
        Ok(())
    }
}

/// A hash that is the password, and a count of the comparisons.
#[derive(Default)]
pub(crate) struct PlainPasswords {
    compared: AtomicU32,
}

#[async_trait]
impl Passwords for PlainPasswords {
    async fn hash(&self, password: String) -> Result<SecretHash, PasswordError> {
        Ok(SecretHash::new(password))
    }

    async fn compare(&self, password: String, hash: Option<SecretHash>) -> Result<Match, PasswordError> {
        self.compared.fetch_add(1, Ordering::SeqCst);
        let is_right = hash.is_some_and(|hash| hash.as_str() == password);
        Ok(if is_right { Match::Right } else { Match::Wrong })
    }
}

/// Bytes that are others each time.
#[derive(Default)]
pub(crate) struct Counting(AtomicU8);

impl SecretSource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
}

/// An id that nothing has, as text.
pub(crate) fn nobody() -> String {
    UserId::from_uuid(uuid::Uuid::from_u128(u128::MAX)).as_uuid().to_string()
}
