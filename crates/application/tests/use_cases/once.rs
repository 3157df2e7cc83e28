//! Requests that may be sent again.

use serde_json::json;
use turbocat_application::{Error, Idempotency, Selector, SourceFile, StartExecution, Started};
use turbocat_domain::{
    execution::TriggerType,
    id::ExecutionId,
    port::{ExecutionFilter, IdGenerator, PageRequest},
    user::UserRole,
};
use turbocat_testkit::faulty::{FaultPlan, FaultRates, Faulty};

use crate::world::World;

const WAIT: &str = "
name: wait
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
";

fn once(key: &str, body: &str) -> Idempotency {
    Idempotency::new(key, "executions.start", body.as_bytes()).unwrap()
}

fn request(world: &World) -> StartExecution {
    StartExecution {
        id: ExecutionId::from_uuid(world.ids.next()),
        workflow: Selector::Name("wait".to_owned()),
        input: json!({}),
        trigger_type: TriggerType::Api,
        trigger_data: json!({}),
    }
}

async fn start(world: &World, once: &Idempotency) -> turbocat_application::Result<Started> {
    world.use_cases.start_once((world.user, once), &world.store, request(world)).await
}

async fn count(world: &World) -> usize {
    let listed = world.use_cases.executions(world.user, ExecutionFilter::default(), PageRequest::default()).await;
    listed.unwrap().items.len()
}

#[tokio::test]
async fn a_repeated_start_is_the_same_execution_and_another_body_is_refused() {
    let world = World::new().await;
    world.publish(WAIT).await.unwrap();

    let first = start(&world, &once("k", "{}")).await.unwrap();
    // A new version does not change what was started.
    world.publish(&WAIT.replace("duration_ms: 1", "duration_ms: 2")).await.unwrap();
    let again = start(&world, &once("k", "{}")).await.unwrap();
    assert_eq!((again.id, again.workflow_id, again.is_repeated), (first.id, first.workflow_id, true));
    let other = start(&world, &once("k", "{ }")).await;
    assert!(matches!(other, Err(Error::IdempotencyConflict)), "{other:?}");
    assert_eq!(count(&world).await, 1);

    let stranger = world.another(UserRole::User).await;
    let theirs = world.use_cases.start_once((stranger, &once("k", "{ }")), &world.store, request(&world)).await;
    assert!(matches!(theirs, Err(Error::NotFound { .. })), "the key of somebody else is another one: {theirs:?}");
}

#[tokio::test]
async fn a_start_that_was_not_valid_does_not_use_the_key_up() {
    let world = World::new().await;
    let refused = start(&world, &once("k", "{}")).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");

    world.publish(WAIT).await.unwrap();

    assert!(!start(&world, &once("k", "another body")).await.unwrap().is_repeated);
}

#[tokio::test]
async fn starts_at_the_same_time_and_after_crashes_make_one_execution() {
    let world = World::new().await;
    world.publish(WAIT).await.unwrap();
    let mut lost = 0;
    for seed in 0..40 {
        let plan = FaultPlan::new(seed, FaultRates { before_per_mille: 200, after_per_mille: 300 });
        let acceptor = Faulty::new(world.store.clone(), plan.clone());
        let key = once(&format!("k{seed}"), "{}");
        let try_once = async || world.use_cases.start_once((world.user, &key), &acceptor, request(&world)).await.ok();
        let mut started = Vec::new();
        while started.len() < 3 {
            let (one, other) = tokio::join!(try_once(), try_once());
            started.extend(one.into_iter().chain(other).map(|started| started.id));
        }
        started.dedup();
        assert_eq!(started.len(), 1, "seed {seed}: {started:?}");
        lost += plan.count("acceptor.accept").failed_after;
    }
    assert!(lost > 5, "only {lost} answers were lost");
    let listed = PageRequest { limit: 200, after: None };
    let all = world.use_cases.executions(world.user, ExecutionFilter::default(), listed).await.unwrap().items;
    assert_eq!(all.len(), 40);
}

#[tokio::test]
async fn a_repeated_publication_has_the_answer_of_the_first() {
    let world = World::new().await;
    let files = |text: &str| [SourceFile { name: "w.yaml".to_owned(), text: text.to_owned() }];
    let publish = async |text: &str| world.use_cases.publish_once(world.user, &files(text), &once("p", text)).await;

    let first = publish(WAIT).await.unwrap();
    assert_eq!(first["published"][0]["change"], "created");
    assert_eq!(publish(WAIT).await.unwrap(), first);
    let other = publish(&WAIT.replace("wait\n", "other\n")).await;
    assert!(matches!(other, Err(Error::IdempotencyConflict)), "{other:?}");
    let report = world.publish(WAIT).await.unwrap();
    assert_eq!(report.published[0].version.get(), 1, "it was published once");
}

#[test]
fn a_key_is_short_and_visible() {
    for key in ["", "a b", &"k".repeat(256)] {
        assert!(matches!(Idempotency::new(key, "x", b""), Err(Error::Invalid(_))), "{key}");
    }
}
