//! How an execution is followed.

use std::net::SocketAddr;

use axum::{
    body::{Body, BodyDataStream},
    extract::ConnectInfo,
    http::Request,
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use turbocat_application::{Actor, Origin};
use turbocat_domain::{
    execution_log::ExecutionLog,
    id::ExecutionId,
    port::{
        ClaimRequest, ClaimedExecution, ExecutionQueue, Journal, JournalBatch, LogWriter, PageRequest, WorkerRepository,
    },
};
use turbocat_http::Peer;
use turbocat_testkit::builder::{a_completion, a_line, a_record, a_running_record, a_worker};

use crate::world::{Ask, HELLO, World};

/// A stream that is read event by event.
struct Stream {
    status: u16,
    body: BodyDataStream,
    text: String,
}

/// One event.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Stream {
    async fn open(world: &World, key: &str, id: ExecutionId, last: Option<&str>) -> Self {
        let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let mut request = Request::builder()
            .uri(format!("/api/v1/executions/{id}/events"))
            .header("authorization", format!("Bearer {key}"))
            .extension(ConnectInfo(Peer(peer)));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        Self { status, body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n").map(|(block, rest)| (block, rest.to_owned())) {
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                    line.unwrap_or_default().to_owned()
                };
                let event = Event {
                    name: field("event"),
                    id: field("id"),
                    data: serde_json::from_str(&field("data")).unwrap_or_default(),
                };
                self.text = rest;
                if !event.name.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let chunk = self.body.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// So many events, in short.
    async fn take(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(short(&self.next().await.expect("another event")));
        }
        taken
    }
}

/// The name of an event, and what it is about.
fn short(event: &Event) -> (String, Value) {
    let about = match event.name.as_str() {
        "step" => json!([event.data["path"], event.data["status"]]),
        "log" => event.data["message"].clone(),
        _ => event.data["status"].clone(),
    };
    (event.name.clone(), about)
}

fn told(name: &str, about: Value) -> (String, Value) {
    (name.to_owned(), about)
}

/// A running execution, and who runs it.
struct Scene {
    world: World,
    key: String,
    claimed: ClaimedExecution,
    worker: turbocat_domain::id::WorkerId,
}

impl Scene {
    async fn set() -> Self {
        let world = World::new().await;
        world.publish(&world.owner, HELLO).await;
        world.start(&world.owner, "hello").await;
        let key = world.key(&world.owner, &["executions:read"]).await;
        let worker = a_worker(world.state.ids.as_ref());
        world.store.register(&worker).await.unwrap();
        let claimed = world.store.claim(ClaimRequest { worker: worker.id, limit: 1 }).await.unwrap().remove(0);
        Self { world, key, claimed, worker: worker.id }
    }

    fn id(&self) -> ExecutionId {
        self.claimed.id
    }

    async fn commit(&self, batch: JournalBatch) {
        self.world.store.commit(self.worker, &batch).await.unwrap();
    }

    async fn record(&self, records: Vec<turbocat_domain::step_run::StepRecord>) {
        self.commit(JournalBatch { records, ..JournalBatch::default() }).await;
    }

    async fn line(&self, message: &str, at_ms: i64) {
        let line = a_line(self.world.state.ids.as_ref(), self.id(), message);
        let created_at = line.created_at + chrono::TimeDelta::milliseconds(at_ms);
        self.world.store.append(&[ExecutionLog { created_at, ..line }]).await.unwrap();
    }

    async fn finish(&self) {
        self.commit(JournalBatch { finished: vec![a_completion(&self.claimed)], ..JournalBatch::default() }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_followed_to_its_end_and_a_late_line_is_not_lost() {
    let scene = Scene::set().await;
    let id = scene.id();
    let mut stream = Stream::open(&scene.world, &scene.key, id, None).await;
    assert_eq!(stream.take(1).await, [told("execution", json!("running"))]);

    scene.record(vec![a_running_record(id, "a", 0)]).await;
    assert_eq!(stream.take(1).await, [told("step", json!(["a", "running"]))]);
    scene.line("young", 2_000).await;
    assert_eq!(stream.take(1).await, [told("log", json!("young"))]);
    scene.line("old, and late", 1_000).await;
    assert_eq!(stream.take(1).await, [told("log", json!("old, and late"))]);

    scene.record(vec![a_record(id, "a", 1)]).await;
    let events = stream.take(2).await;
    assert_eq!(events[0], told("step", json!(["a", "completed"])));
    assert_eq!(events[1].0, "log", "each end is a line of the log");
    scene.finish().await;
    let last = stream.next().await.unwrap();
    assert_eq!((last.name.as_str(), last.id.as_str()), ("execution", "end"));
    assert_eq!((&last.data["status"], &last.data["output"]["done"]), (&json!("completed"), &json!(true)));
    assert!(stream.next().await.is_none(), "the stream ends with the execution");
    assert_eq!(Stream::open(&scene.world, &scene.key, id, Some("end")).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_goes_on_behind_the_last_event() {
    let scene = Scene::set().await;
    let id = scene.id();
    scene.record((0..5).map(|seq| a_record(id, &format!("s{seq}"), seq)).collect()).await;
    scene.finish().await;
    let whole = {
        let mut stream = Stream::open(&scene.world, &scene.key, id, None).await;
        let mut whole = Vec::new();
        while let Some(event) = stream.next().await {
            whole.push(event);
        }
        whole
    };
    // Five ends, a line for each, and the end of it all.
    assert_eq!(whole.len(), 11, "{whole:?}");
    for cut in 0..whole.len() - 1 {
        let mut stream = Stream::open(&scene.world, &scene.key, id, Some(&whole[cut].id)).await;
        for expected in &whole[cut + 1..] {
            assert_eq!(short(&stream.next().await.unwrap()), short(expected), "behind event {cut}");
        }
        assert!(stream.next().await.is_none());
    }
    for nonsense in ["nonsense", "1", "~", "' OR 1=1"] {
        assert_eq!(Stream::open(&scene.world, &scene.key, id, Some(nonsense)).await.status, 400, "{nonsense}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_streams_and_so_does_the_server() {
    let scene = Scene::set().await;
    let world = &scene.world;
    let mut revoked = Stream::open(world, &scene.key, scene.id(), None).await;
    let other_key = world.key(&world.owner, &["executions:read"]).await;
    let mut going_on = Stream::open(world, &other_key, scene.id(), None).await;
    revoked.next().await.unwrap();
    going_on.next().await.unwrap();

    let keys = world.state.access.keys(Actor::from(&world.owner), None, PageRequest::default()).await.unwrap().items;
    let used = keys.iter().find(|key| scene.key.starts_with(&key.key_prefix)).unwrap();
    world.state.access.revoke_key(Actor::from(&world.owner), used.id, &Origin::default()).await.unwrap();
    assert!(revoked.next().await.is_none());

    scene.line("still here", 1).await;
    assert_eq!(going_on.take(1).await, [told("log", json!("still here"))]);
    world.state.shutdown.cancel();
    assert!(going_on.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_user_has_five_streams_and_a_closed_one_makes_room() {
    let scene = Scene::set().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(Stream::open(&scene.world, &scene.key, scene.id(), None).await);
    }
    assert!(open.iter().all(|stream| stream.status == 200));
    let path = format!("/api/v1/executions/{}/events", scene.id());
    let ask = Ask { path: &path, key: Some(&scene.key), ..Ask::default() };
    scene.world.send(ask).await.problem(429, "too_many_streams");
    open.pop();
    assert_eq!(Stream::open(&scene.world, &scene.key, scene.id(), None).await.status, 200);
}
