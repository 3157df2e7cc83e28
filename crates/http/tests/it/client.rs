//! The typed client against the real router on a real listener, and behind things that lose and refuse.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use turbocat_client::{
    AgentQuery, ApprovalQuery, Began, Client, ClientBuilder, Decision, Documents, Error, ExecutionEvent,
    ExecutionQuery, ExecutionStatus, Followed, KeyQuery, LogLevel, LogQuery, NewKey, NewSecret, NewUser, PageQuery,
    Retries, SecretQuery, SendEvent, StartExecution, StartExecutions, StepStatus, TemplateQuery, TemplateUse,
    TickQuery, UserQuery, UserRole, WorkflowQuery,
    id::{ExecutionId, SecretId, WorkflowId},
};
use turbocat_domain::port::{ClaimRequest, ExecutionQueue, Journal, JournalBatch, WorkerRepository};
use turbocat_http::serve;
use turbocat_testkit::builder::{a_completion, a_record, a_worker};
use uuid::Uuid;

use crate::{
    matrix::ask_somebody,
    world::{HELLO, World},
};

const TIMED: &str = "
name: timed
triggers: { schedule: { cron: '@daily' } }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
";

/// A server that listens until it is dropped.
struct Listening {
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn listen(router: Router) -> Listening {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shutdown) = (socket.local_addr().unwrap(), CancellationToken::new());
    let listener = turbocat_http::Listener::new(socket, None).unwrap();
    tokio::spawn(serve(listener, router, shutdown.clone(), Duration::ZERO));
    Listening { address, shutdown }
}

/// A client that does not wait for long.
fn client(server: &Listening, key: &str) -> ClientBuilder {
    let retries = Retries { pause_min: Duration::from_millis(1), ..Retries::default() };
    Client::builder(format!("http://{}", server.address)).api_key(key).without_proxy().retries(retries)
}

/// What is done with a request.
enum Fate {
    /// It gets its answer.
    Answered,
    /// It gets this one, and reaches nobody.
    Refused(Response),
    /// It is done, and the answer is lost: this comes in its place.
    Lost(Response),
    /// So many pieces of the answer come, and then the connection ends.
    Cut(usize),
    /// Nothing comes back.
    Forgotten,
}

/// What came in.
#[derive(Default)]
struct Seen {
    count: AtomicU32,
    heads: Mutex<Vec<HeaderMap>>,
}

impl Seen {
    fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// A header of each request.
    fn header(&self, name: &str) -> Vec<String> {
        let text =
            |head: &HeaderMap| head.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
        self.heads.lock().unwrap().iter().map(text).collect()
    }
}

/// The router, with a fate for each request by its number.
fn behind(router: Router, fate: impl Fn(u32) -> Fate + Clone + Send + Sync + 'static) -> (Router, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let kept = Arc::clone(&seen);
    let layer = middleware::from_fn(move |request: Request, next: Next| {
        let number = seen.count.fetch_add(1, Ordering::SeqCst);
        seen.heads.lock().unwrap().push(request.headers().clone());
        let fate = fate(number);
        async move {
            match fate {
                Fate::Answered => next.run(request).await,
                Fate::Refused(response) => response,
                Fate::Lost(response) => {
                    assert!(next.run(request).await.status().is_success());
                    response
                }
                Fate::Cut(pieces) => {
                    let (head, body) = next.run(request).await.into_parts();
                    Response::from_parts(head, Body::from_stream(body.into_data_stream().take(pieces)))
                }
                Fate::Forgotten => std::future::pending().await,
            }
        }
    });
    (router.layer(layer), kept)
}

fn problem(status: StatusCode, code: &str, retry_after: Option<&'static str>) -> Response {
    let document = json!({
        "type": format!("urn:turbocat:problem:{code}"), "title": "No", "status": status.as_u16(), "code": code,
        "request_id": "r1",
    });
    let mut response = (status, axum::Json(document)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.parse().unwrap());
    }
    response
}

fn unavailable() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", None)
}

/// Runs the one execution that waits to its end: five steps.
async fn run_to_its_end(world: &World) {
    let worker = a_worker(world.state.ids.as_ref());
    world.store.register(&worker).await.unwrap();
    let claimed = world.store.claim(ClaimRequest { worker: worker.id, limit: 1 }).await.unwrap().remove(0);
    let records = (0..5).map(|seq| a_record(claimed.id, &format!("s{seq}"), seq)).collect();
    let batch = JournalBatch { records, finished: vec![a_completion(&claimed)], ..JournalBatch::default() };
    world.store.commit(worker.id, &batch).await.unwrap();
}

/// An event in short.
fn short(followed: &Followed) -> String {
    match &followed.event {
        ExecutionEvent::Step(step) => format!("{} {}", step.path, step.status),
        ExecutionEvent::Log(line) => line.message.clone(),
        ExecutionEvent::Execution(execution) => execution.status.to_string(),
        other => panic!("what is {other:?}?"),
    }
}

/// How many executions somebody has.
async fn executions(client: &Client) -> usize {
    client.executions(&ExecutionQuery::default()).await.unwrap().items.len()
}

#[tokio::test]
async fn a_program_publishes_starts_and_follows_an_execution_to_its_end() {
    let world = World::new().await;
    let server = listen(world.router.clone()).await;
    let client = client(&server, &world.key(&world.owner, &["*"]).await).build().unwrap();
    let report = client.publish(&Documents::yaml(HELLO)).await.unwrap();
    assert_eq!(report.published.iter().map(|one| one.change.as_str()).collect::<Vec<_>>(), ["created", "created"]);
    assert_eq!(client.me().await.unwrap().user.id, world.owner.id);

    let wanted = StartExecution::named("hello").with_input(json!({ "name": "Ada" })).with_key("order-7");
    let started = client.start(&wanted).await.unwrap();
    assert_eq!(client.start(&wanted).await.unwrap(), started, "one key is one start");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.wait(started.id).await }
    });
    run_to_its_end(&world).await;

    let followed: Vec<_> = client.follow(started.id).map_ok(|one| short(&one)).try_collect().await.unwrap();
    let steps = followed.iter().filter(|one| one.ends_with(" completed")).count();
    assert_eq!((steps, followed.last().map(String::as_str)), (5, Some("completed")), "{followed:?}");
    let ended = waiting.await.unwrap().unwrap();
    assert_eq!((ended.status, &ended.output["done"]), (ExecutionStatus::Completed, &json!(true)));
    assert_eq!(ended.input, json!({ "name": "Ada" }));
    let steps = client.steps(started.id).await.unwrap();
    assert_eq!((steps.len(), steps[0].status, steps[0].failure()), (5, StepStatus::Completed, None));
    let lines: Vec<_> =
        client.all_logs(started.id, LogQuery { limit: Some(2), ..LogQuery::default() }).try_collect().await.unwrap();
    assert!(lines.len() >= 5, "{lines:?}");
    let errors = LogQuery { level: Some(LogLevel::Error), ..LogQuery::default() };
    assert!(client.logs(started.id, &errors).await.unwrap().items.is_empty());
    assert!(client.all_parts(started.id).collect::<Vec<_>>().await.is_empty());
    assert_eq!(client.cancel(started.id).await.unwrap().outcome, "ended");
    assert_eq!(client.pause(started.id, Some("too late")).await.unwrap().outcome, "ended");
    assert_eq!(client.resume(started.id).await.unwrap().outcome, "ended");
    let again = client.start_and_wait(&wanted, Duration::from_secs(5)).await.unwrap();
    assert!(matches!(again, Began::Ended(execution) if execution.id == started.id));
}

#[tokio::test]
async fn lists_are_streams_over_their_pages_and_have_filters() {
    let world = World::new().await;
    let server = listen(world.router.clone()).await;
    let client = client(&server, &world.key(&world.owner, &["*"]).await).build().unwrap();
    client
        .publish(
            &Documents::of(&json!({ "name": "one", "steps": [
        { "key": "a", "type": "wait", "config": { "duration_ms": 1 } }
    ] }))
            .unwrap(),
        )
        .await
        .unwrap();
    client.publish(&Documents::yaml(HELLO)).await.unwrap();
    let items = vec![StartExecution::named("one"); 5];
    let started = client.start_many(&StartExecutions { items, idempotency_key: None }).await.unwrap();
    let one = started[0].workflow_id;
    let running = client.start_and_wait(&StartExecution::named("hello"), Duration::ZERO).await.unwrap();

    let all = client.all_executions(ExecutionQuery { limit: Some(2), ..ExecutionQuery::default() });
    let all: Vec<_> = all.map_ok(|execution| execution.id).try_collect().await.unwrap();
    let mut wanted: Vec<ExecutionId> = started.iter().map(|one| one.id).chain([running.id()]).collect();
    wanted.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(all, wanted, "the newest first, and each once");
    let query = ExecutionQuery { workflow_id: Some(one), status: Some(ExecutionStatus::Pending), ..Default::default() };
    assert_eq!(client.executions(&query).await.unwrap().items.len(), 5);
    let version = client.start(&StartExecution::version(one)).await.unwrap();
    assert_eq!(version.workflow_id, one);

    let named = WorkflowQuery { name: Some("one".to_owned()), ..WorkflowQuery::default() };
    assert_eq!(client.workflows(&named).await.unwrap().items[0].id, one);
    assert_eq!(client.all_workflows(WorkflowQuery::default()).collect::<Vec<_>>().await.len(), 2);
    assert_eq!(client.workflow_steps(one).await.unwrap()[0].step_key, "a");
    assert_eq!(client.workflow_versions(one, &PageQuery::default()).await.unwrap().items.len(), 1);
    client.delete_workflow(one).await.unwrap();
    assert!(client.workflow(one).await.unwrap_err().is("not_found"));
    assert_eq!(client.restore_workflow(one).await.unwrap().name, "one");
    let agents: Vec<_> = client.all_agents(AgentQuery::default()).try_collect().await.unwrap();
    let agent = client.agent(agents[0].id).await.unwrap();
    assert_eq!((agent.name.as_str(), &agent.config["program"]), ("greeter", &json!(".")));
    assert_eq!(client.agent_versions(agent.id, &PageQuery::default()).await.unwrap().items.len(), 1);
    client.delete_agent(agent.id).await.unwrap();
    assert_eq!(client.restore_agent(agent.id).await.unwrap().id, agent.id);
}

#[tokio::test]
async fn accounts_keys_and_secrets_are_made_listed_and_taken_away() {
    let world = World::new().await;
    let server = listen(world.router.clone()).await;
    let client = client(&server, &world.key(&world.admin, &["*"]).await).build().unwrap();
    let wanted = NewUser { email: "ci@example.com".to_owned(), role: Some(UserRole::Agent), ..NewUser::default() };
    let user = client.create_user(&wanted).await.unwrap();
    assert!(client.create_user(&wanted).await.unwrap_err().is("already_exists"));
    let agents = UserQuery { role: Some(UserRole::Agent), ..UserQuery::default() };
    assert_eq!(client.all_users(agents).try_collect::<Vec<_>>().await.unwrap()[0].id, user.id);

    let wanted = NewKey {
        name: "ci".to_owned(),
        scopes: vec!["executions:*".to_owned()],
        user_id: Some(user.id),
        ..NewKey::default()
    };
    let issued = client.create_key(&wanted).await.unwrap();
    assert!(issued.key.starts_with(&issued.about.key_prefix) && !format!("{issued:?}").contains(&issued.key));
    let of_user = KeyQuery { user_id: Some(user.id), ..KeyQuery::default() };
    assert_eq!(client.keys(&of_user).await.unwrap().items, [client.key(issued.about.id).await.unwrap()]);
    client.revoke_key(issued.about.id).await.unwrap();
    assert!(!client.key(issued.about.id).await.is_ok_and(|key| key.is_active));

    let wanted = NewSecret { name: "TOKEN".to_owned(), value: "hunter2hunter2".to_owned(), ..NewSecret::default() };
    assert!(!format!("{wanted:?}").contains("hunter2"));
    let secret = client.set_secret(&wanted).await.unwrap();
    assert_eq!(client.secrets(&SecretQuery::default()).await.unwrap().items, std::slice::from_ref(&secret));
    client.delete_secret(secret.id).await.unwrap();
    assert!(client.delete_secret(secret.id).await.unwrap_err().is("not_found"));
    assert!(client.all_secrets(SecretQuery::default()).collect::<Vec<_>>().await.is_empty());
}

#[tokio::test]
async fn what_waits_is_listed_decided_and_told() {
    let world = World::new().await;
    let server = listen(world.router.clone()).await;
    let client = client(&server, &world.key(&world.owner, &["*"]).await).build().unwrap();
    let id = ask_somebody(&world).await;
    let asked: Vec<_> = client.all_approvals(ApprovalQuery::default()).try_collect().await.unwrap();
    assert_eq!((asked[0].execution_id, asked[0].path.as_str(), asked[0].may_decide), (id, "ask", true));
    let decision = Decision { path: "ask".to_owned(), approved: true, ..Decision::default() };
    client.decide(id, &decision).await.unwrap();
    assert!(client.decide(id, &decision).await.is_err(), "it is decided once");

    let event = SendEvent::named("paid").with_payload(json!({ "order": 7 })).with_key("paid-7");
    let sent = client.send_event(&event).await.unwrap();
    assert_eq!(client.send_event(&event).await.unwrap(), sent, "one key is one event");
    client.publish(&Documents::yaml(TIMED)).await.unwrap();
    let schedule = client.schedules(&PageQuery::default()).await.unwrap().items.remove(0);
    assert_eq!((schedule.workflow.as_str(), schedule.cron.as_str()), ("timed", "@daily"));
    assert_eq!(client.ticks(schedule.workflow_id, &TickQuery { limit: Some(3) }).await.unwrap(), []);

    let template = json!({
        "name": "Pause", "category": "Steps", "type": "step", "is_public": true,
        "template_data": { "key": "a", "type": "wait", "config": { "duration_ms": 1 } },
    });
    world.post(&world.key(&world.owner, &["*"]).await, "/api/v1/templates", template).await.expect(201);
    let found: Vec<_> = client.all_templates(TemplateQuery::default()).try_collect().await.unwrap();
    let template = client.template(found[0].id).await.unwrap();
    assert_eq!((template.name.as_str(), &template.template_data["key"]), ("Pause", &json!("a")));
    let copy = client.use_template(template.id, &TemplateUse::default()).await.unwrap();
    assert_eq!((copy.published, copy.step.unwrap()["type"].clone()), (None, json!("wait")));
}

#[tokio::test]
async fn a_refusal_says_what_it_is_where_and_in_which_request() {
    let world = World::new().await;
    let server = listen(world.router.clone()).await;
    let narrow = client(&server, &world.key(&world.owner, &["executions:read"]).await).build().unwrap();
    let wide = client(&server, &world.key(&world.owner, &["*"]).await).build().unwrap();
    let stranger = client(&server, "tc_live_nobody").build().unwrap();

    assert!(stranger.me().await.unwrap_err().is("unauthenticated"));
    let error = narrow.publish(&Documents::yaml(HELLO)).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.status, &problem.members["permission"]), (403, &json!("workflows:write")));
    assert!(!problem.request_id.is_empty() && error.to_string().contains("workflows:write"), "{error}");
    let unknown = WorkflowId::from_uuid(Uuid::nil());
    let error = wide.start(&StartExecution::version(unknown)).await.unwrap_err();
    assert!(error.is("not_found") && error.to_string().contains("there is no workflow"), "{error}");
    assert!(wide.follow(ExecutionId::from_uuid(Uuid::nil())).next().await.unwrap().unwrap_err().is("not_found"));
    assert!(wide.wait(ExecutionId::from_uuid(Uuid::nil())).await.unwrap_err().is("not_found"));
    assert!(wide.delete_secret(SecretId::from_uuid(Uuid::nil())).await.unwrap_err().is("not_found"));

    let error = wide.publish(&Documents::yaml("name: bad\nsteps:\n  - key: a\n    type: nothing\n")).await.unwrap_err();
    let wrong = &error.problem().unwrap().errors()[0];
    assert_eq!((error.is("invalid_documents"), wrong.document, wrong.line), (true, Some(1), Some(4)), "{wrong:?}");
    world.publish(&world.owner, HELLO).await;
    let long = StartExecution::named("hello").with_input(json!({ "name": "too long" }));
    let error = wide.start(&long).await.unwrap_err();
    assert_eq!(
        (error.is("invalid_input"), error.problem().unwrap().errors()[0].pointer.as_str()),
        (true, "/input/name")
    );
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_sent_again_and_is_one_start() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let lost = |number| if number < 2 { Fate::Lost(unavailable()) } else { Fate::Answered };
    let (router, seen) = behind(world.router.clone(), lost);
    let server = listen(router).await;
    let client = client(&server, &world.key(&world.owner, &["*"]).await).build().unwrap();

    let started = client.start(&StartExecution::named("hello")).await.unwrap();

    let keys = seen.header("idempotency-key");
    assert!(keys.len() == 3 && !keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(executions(&client).await, 1);
    let other = client.start(&StartExecution::named("hello")).await.unwrap();
    assert!(other.id != started.id && seen.header("idempotency-key").last().unwrap() != &keys[0]);
}

#[tokio::test]
async fn what_could_be_done_twice_is_not_sent_again_unless_it_was_refused() {
    let world = World::new().await;
    let lost = |_| Fate::Lost(unavailable());
    let (router, seen) = behind(world.router.clone(), lost);
    let server = listen(router).await;
    let key = world.key(&world.admin, &["*"]).await;
    let wanted = NewKey { name: "ci".to_owned(), scopes: vec!["*".to_owned()], ..NewKey::default() };

    let error = client(&server, &key).build().unwrap().create_key(&wanted).await.unwrap_err();
    assert!(error.is("unavailable") && seen.count() == 1, "{error} after {}", seen.count());

    let busy = |number| match number {
        0..2 => Fate::Refused(problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited", Some("0"))),
        _ => Fate::Answered,
    };
    let (router, seen) = behind(world.router.clone(), busy);
    let server = listen(router).await;
    client(&server, &key).build().unwrap().create_key(&wanted).await.unwrap();
    assert_eq!(seen.count(), 3);
}

#[tokio::test]
async fn who_is_to_wait_for_too_long_is_told_for_how_long() {
    let world = World::new().await;
    let busy = |_| Fate::Refused(problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited", Some("31")));
    let (router, seen) = behind(world.router.clone(), busy);
    let server = listen(router).await;

    let error = client(&server, "key").build().unwrap().me().await.unwrap_err();

    assert_eq!((error.retry_after(), seen.count()), (Some(Duration::from_secs(31)), 1));
}

#[tokio::test]
async fn servers_that_are_away_silent_or_something_else_are_told_apart() {
    let world = World::new().await;
    let gone = listen(world.router.clone()).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = Listening { address: closed, shutdown: gone.shutdown.clone() };
    let error = client(&away, "key").build().unwrap().me().await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { .. }) && error.to_string().contains("cannot be reached"), "{error}");

    let (router, seen) = behind(world.router.clone(), |_| Fate::Forgotten);
    let server = listen(router).await;
    let hasty = client(&server, "key").timeout(Duration::from_millis(50)).build().unwrap();
    assert!(matches!(hasty.me().await.unwrap_err(), Error::TimedOut { .. }));
    assert_eq!(seen.count(), 4, "what reads is asked for again");

    let elsewhere = |_| {
        let head = [("location", "http://127.0.0.1:1/")];
        Fate::Refused((StatusCode::FOUND, head, "<html>").into_response())
    };
    let (router, seen) = behind(world.router.clone(), elsewhere);
    let server = listen(router).await;
    let error = client(&server, "key").build().unwrap().me().await.unwrap_err();
    assert!(
        matches!(error, Error::Foreign { status: 302, .. }) && seen.count() == 1,
        "no redirect is followed: {error}"
    );
    let html = |_| Fate::Refused((StatusCode::OK, "<html>").into_response());
    let (router, _) = behind(world.router.clone(), html);
    let server = listen(router).await;
    let error = client(&server, "key").build().unwrap().me().await.unwrap_err();
    assert!(matches!(&error, Error::Unknown { operation, .. } if operation == "me"), "{error}");
}

#[tokio::test]
async fn a_stream_that_is_cut_again_and_again_comes_back_where_it_was() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let id = world.start(&world.owner, "hello").await;
    run_to_its_end(&world).await;
    let key = world.key(&world.owner, &["*"]).await;
    let whole = listen(world.router.clone()).await;
    let whole: Vec<_> = client(&whole, &key).build().unwrap().follow(id).try_collect().await.unwrap();

    let (router, seen) = behind(world.router.clone(), |_| Fate::Cut(2));
    let server = listen(router).await;
    let cut: Vec<_> = client(&server, &key).build().unwrap().follow(id).try_collect().await.unwrap();

    // Five ends, a line for each, and the end of it all.
    assert_eq!(cut.len(), 11);
    assert_eq!(cut, whole);
    let places = seen.header("last-event-id");
    assert!(
        places.len() > 3 && places[0].is_empty() && places[1..].iter().all(|place| !place.is_empty()),
        "{places:?}"
    );
    let from = client(&server, &key).build().unwrap().follow_from(id, Some(whole[8].place.clone()));
    assert_eq!(from.try_collect::<Vec<_>>().await.unwrap(), whole[9..]);
    let over = client(&server, &key).build().unwrap().follow_from(id, Some("end".to_owned()));
    assert!(over.collect::<Vec<_>>().await.is_empty());
}

#[tokio::test]
async fn a_stream_waits_for_a_server_that_comes_back_and_not_for_ever() {
    let world = World::new().await;
    world.publish(&world.owner, HELLO).await;
    let id = world.start(&world.owner, "hello").await;
    run_to_its_end(&world).await;
    let key = world.key(&world.owner, &["*"]).await;
    let away = |number| match number {
        0 => Fate::Cut(1),
        1..9 => Fate::Refused(unavailable()),
        _ => Fate::Answered,
    };
    let (router, seen) = behind(world.router.clone(), away);
    let server = listen(router).await;
    let events: Vec<_> = client(&server, &key).build().unwrap().follow(id).try_collect().await.unwrap();
    assert_eq!((events.len(), seen.count()), (11, 10), "it was refused more often than a request is sent");

    let (router, _) = behind(world.router.clone(), |number| match number {
        0 => Fate::Cut(1),
        _ => Fate::Refused(unavailable()),
    });
    let server = listen(router).await;
    let impatient = client(&server, &key).stream_patience(Duration::from_millis(20)).build().unwrap();
    let mut events = pin!(impatient.follow(id));
    assert!(events.next().await.unwrap().is_ok());
    assert!(events.next().await.unwrap().unwrap_err().is("unavailable"));
    assert!(events.next().await.is_none(), "an error is the end");
}
