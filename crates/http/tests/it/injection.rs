//! SQL in everything that a client may send, on a real `PostgreSQL`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use turbocat_application::{
    Access, AccessPorts, Actor, NewKey, NewSecret, Origin, Ports, Selector, SourceFile, StartExecution,
    TemplateContent, UseCases,
};
use turbocat_domain::{
    execution::TriggerType,
    id::ExecutionId,
    port::Store,
    template::TemplateType,
    user::{User, UserRole},
};
use turbocat_http::{State, document, router, routes};
use turbocat_persistence::{ConnectOptions, PgStore};
use turbocat_schema::JsonSchemas;
use turbocat_testkit::{
    builder, cipher::PlainCipher, ids::SequentialIds, mail::Mailbox, memory::MemoryStore, postgres::TestDatabase,
};

use crate::{
    bodies,
    world::{Answer, AnyConfig, Ask, Counting, Fixed, PlainPasswords, send},
};

/// What must never be in an answer to somebody else.
const MARK: &str = "belongs-to-the-owner";

/// SQL, and what breaks out of where text is put.
const ATTACKS: [&str; 18] = [
    "' OR '1'='1",
    "' OR 1=1 --",
    "\" OR \"\"=\"",
    "') OR ('1'='1' --",
    "'; DROP TABLE users; --",
    "'; DELETE FROM workflows; SELECT '1",
    "1; SELECT pg_sleep(30) --",
    "' || pg_sleep(30) || '",
    "' UNION SELECT id::text, email FROM users --",
    "' AND 1 = CAST((SELECT version()) AS INT) --",
    "%' OR name LIKE '%",
    "%",
    "\\' OR 1=1 --",
    "$1",
    "$$; SELECT 1; $$",
    "{\"a\": 1}'::jsonb @> '{}",
    "\u{2019} OR \u{ff07}1\u{ff07}=\u{ff07}1",
    "\u{0}",
];

/// A server on a database, with things of the owner's and of another's.
struct Served {
    database: TestDatabase,
    state: State,
    router: Router,
    /// The key of the other.
    key: String,
    /// The ids of the other's things, by the part of the path that says of which kind they are.
    ids: BTreeMap<String, String>,
}

impl Served {
    async fn new() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let store = PgStore::connect(&ConnectOptions::new(database.url())).await.unwrap();
        let (memory, ids) = (MemoryStore::default(), Arc::new(SequentialIds::new(1)));
        let use_cases = UseCases::new(Ports {
            store: Arc::new(store.clone()),
            queries: Arc::new(store.clone()),
            queue: Arc::new(store.clone()),
            clock: Arc::new(memory.clock().clone()),
            ids: Arc::clone(&ids) as _,
            schemas: Arc::new(JsonSchemas::default()),
            agent_configs: Arc::new(AnyConfig),
        });
        let ports = AccessPorts {
            limiter: Arc::new(store.clone()),
            ledger: Arc::new(store.clone()),
            passwords: Arc::new(PlainPasswords::default()),
            secrets: Arc::new(Counting::default()),
            cipher: Arc::new(PlainCipher::default()),
            mailer: Arc::new(Mailbox::default()),
            public_url: String::new(),
        };
        let access = Access::new(use_cases.clone(), ports);
        let readiness = Arc::new(Fixed(Vec::new()));
        let state =
            State::new(readiness, (use_cases, access), (Arc::new(store.clone()), ids), CancellationToken::new());
        let mut users = Vec::new();
        for (email, role) in [
            ("admin@example.com", UserRole::Admin),
            ("owner@example.com", UserRole::User),
            ("other@example.com", UserRole::User),
        ] {
            let user = builder::a_user(state.ids.as_ref());
            users.push(User { role, email: email.parse().unwrap(), ..user });
        }
        let mut uow = store.begin().await.unwrap();
        for user in &users {
            uow.users().insert(user).await.unwrap();
        }
        uow.commit().await.unwrap();
        for (user, mark) in [(&users[1], MARK), (&users[2], "mine")] {
            memory.clock().advance_ms(1);
            stock(&state, &store, (user, mark)).await;
        }
        let wanted = NewKey {
            name: "attacker".to_owned(),
            scopes: vec!["*".to_owned()],
            owner: Some(users[2].id),
            expires_at: None,
            rate_limit_per_minute: Some(6_000_000),
        };
        let issued = state.access.create_key(Actor::from(&users[0]), wanted, &Origin::default()).await.unwrap();
        let (router, key) = (router(state.clone()), issued.token.expose().to_owned());
        let mut served = Self { database, state, router, key, ids: BTreeMap::new() };
        for kind in ["agents", "workflows", "templates", "api-keys", "executions"] {
            let listed = served.ask("GET", &format!("/api/v1/{kind}"), None).await.expect(200);
            served.ids.insert(kind.to_owned(), listed["items"][0]["id"].as_str().unwrap().to_owned());
        }
        served
    }

    /// Asks for a path. Whatever was put into it, it is answered in time, without an error of the server, and with
    /// nothing that is the owner's.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let begun = Instant::now();
        let headers: &[(&str, &str)] = if path.ends_with("/events") { &[("last-event-id", "end")] } else { &[] };
        let ask = Ask { method, path, key: Some(&self.key), body: body.clone(), headers, ..Ask::default() };
        let answer = send(&self.router, ask).await;
        let case = format!("{method} {path} {body:?}: {} {}", answer.status, answer.text);
        assert!(answer.status.as_u16() < 500, "{case}");
        assert!(!answer.text.contains(MARK), "{case}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{case}: it slept");
        answer
    }

    /// All rows, without the counts of rates.
    async fn rows(&self) -> BTreeSet<String> {
        let dump = self.database.dump().await.unwrap();
        dump.lines().filter(|row| !row.starts_with("rate_limits")).map(str::to_owned).collect()
    }
}

/// Gives somebody one thing of each kind, with a mark in it.
async fn stock(state: &State, store: &PgStore, (user, mark): (&User, &str)) {
    let actor = Actor::from(user);
    let text = format!(
        "name: {mark}\ntags: [{mark}]\nsteps: [{{ key: a, type: agent, agent: {mark} }}]\n---\nkind: agent\n\
         name: {mark}\ntags: [{mark}]\ntype: data\nconfig: {{ program: . }}\n"
    );
    state.use_cases.publish(actor, &[SourceFile { name: "w.yaml".to_owned(), text }]).await.unwrap();
    let start = StartExecution {
        id: ExecutionId::from_uuid(state.ids.next()),
        workflow: Selector::Name(mark.to_owned()),
        input: json!({}),
        trigger_type: TriggerType::Api,
        trigger_data: json!({ "of": mark }),
    };
    state.use_cases.start_execution(actor, store, start).await.unwrap();
    let template = TemplateContent {
        name: mark.to_owned(),
        description: None,
        category: "Tests".to_owned(),
        kind: TemplateType::Step,
        template_data: json!({ "key": "a", "type": "wait", "config": { "duration_ms": 1 } }),
        tags: vec![mark.to_owned()],
        is_public: false,
    };
    state.use_cases.create_template(actor, template).await.unwrap();
    let name = mark.to_uppercase().replace('-', "_");
    let secret = NewSecret { name, value: "a-value-of-somebody".to_owned(), hosts: Vec::new(), owner: None };
    state.access.set_secret(actor, secret, &Origin::default()).await.unwrap();
}

/// A text as a part of an address.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

/// How many items an answer has, if it is a page.
fn items(answer: &Answer) -> usize {
    if answer.status != 200 {
        return 0;
    }
    answer.json()["items"].as_array().map_or(0, Vec::len)
}

/// Cursors of the right form, at the ends of what their numbers can hold.
fn cursors() -> Vec<String> {
    let micros =
        [i64::MIN, i64::MAX, -210_866_803_200_000_001, 8_200_000_000_000_000_000, -8_000_000_000_000_000_000, 0];
    let cursor = |micros: i64| {
        let bytes = [&[1][..], &micros.to_be_bytes(), &[0xff; 16]].concat();
        BASE64URL_NOPAD.encode(&bytes)
    };
    micros.into_iter().map(cursor).collect()
}

#[tokio::test]
async fn no_parameter_is_read_as_sql() {
    let served = Served::new().await;
    let described = serde_json::to_value(document(served.state.clone())).unwrap();
    let before = served.rows().await;
    let cursors = cursors();
    let (mut asked, mut answered, mut parameters) = (0, 0, 0);
    for route in routes(served.state.clone()) {
        let operation = &described["paths"][&route.path][route.method.to_lowercase()];
        let of_path = route.path.contains("{id}");
        let names: Vec<&str> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        if of_path {
            parameters += 1;
            for attack in ATTACKS {
                let path = route.path.replace("{id}", &encoded(attack));
                let answer = served.ask(route.method, &path, bodies::body(&route)).await;
                assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
                asked += 1;
            }
        }
        let kind = route.path.trim_start_matches("/api/v1/").split('/').next().unwrap();
        if route.method != "GET" || (of_path && !served.ids.contains_key(kind)) {
            continue;
        }
        let path = route.path.replace("{id}", served.ids.get(kind).map_or("", String::as_str));
        let allowed = items(&served.ask("GET", &path, None).await);
        for name in names {
            parameters += 1;
            let attacks = ATTACKS.into_iter().chain(cursors.iter().map(String::as_str).filter(|_| name == "after"));
            for attack in attacks {
                let answer = served.ask("GET", &format!("{path}?{name}={}", encoded(attack)), None).await;
                assert!(answer.status == 200 || answer.status.is_client_error(), "{}", answer.status);
                assert!(items(&answer) <= allowed, "{path} {name} {attack}: {}", answer.text);
                asked += 1;
                answered += u32::from(answer.status == 200);
            }
        }
    }
    println!("{parameters} parameters, {asked} requests, {answered} of them answered with a page");
    assert!(parameters > 60 && asked > 1_000 && answered > 100, "{parameters} {asked} {answered}");
    assert!(served.rows().await == before, "a row was changed");
}

/// All texts in a body.
fn texts(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer),
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| texts(member, format!("{pointer}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| texts(item, format!("{pointer}/{index}"), found));
        }
        _ => {}
    }
}

#[tokio::test]
async fn no_text_of_a_body_is_read_as_sql() {
    let served = Served::new().await;
    let is_the_owners = |row: &&String| row.contains(MARK) || row.contains("owner@example.com");
    let before: BTreeSet<String> = served.rows().await.iter().filter(is_the_owners).cloned().collect();
    assert!(before.len() >= 4, "{before:?}");
    let (mut asked, mut stored) = (0, 0);
    for route in routes(served.state.clone()).iter().filter(|route| !route.path.contains("{id}")) {
        let Some(body) = bodies::body(route) else { continue };
        let mut found = Vec::new();
        texts(&body, String::new(), &mut found);
        for pointer in &found {
            for attack in ATTACKS {
                let mut body = body.clone();
                *body.pointer_mut(pointer).unwrap() = json!(attack);
                let answer = served.ask(route.method, &route.path, Some(body)).await;
                asked += 1;
                stored += u32::from(answer.status == 201);
            }
        }
    }
    served.state.settle().await;
    println!("{asked} requests, {stored} of them stored what they were sent");
    assert!(asked > 200 && stored > 10, "{asked} {stored}");
    let after = served.rows().await;
    let lost: Vec<_> = before.difference(&after).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let templates = served.ask("GET", "/api/v1/templates?limit=200", None).await.expect(200);
    let names: BTreeSet<&str> =
        templates["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert!(names.contains("'; DROP TABLE users; --"), "it is stored as it is: {names:?}");
}
