//! Starting, pausing and cancelling executions.

use serde_json::{Value, json};
use turbocat_application::{Actor, Error, Result, Selector, StartExecution};
use turbocat_domain::{
    execution::{ExecutionStatus, TriggerType},
    id::{ExecutionId, WorkflowId},
    limits::PAUSE_REASON_CHARS_MAX,
    port::{IdGenerator, RequestOutcome},
    user::UserRole,
};

use crate::world::World;

const GREET: &str = "
name: greet
input:
  type: object
  required: [name]
  properties: { name: { type: string, maxLength: 5 } }
settings: { timeout_ms: 60000 }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }, { key: b, type: wait, config: { duration_ms: 1 } }]
";

async fn start(world: &World, actor: Actor, workflow: Selector, input: Value) -> Result<ExecutionId> {
    let request = StartExecution {
        id: ExecutionId::from_uuid(world.ids.next()),
        workflow,
        input,
        trigger_type: TriggerType::Manual,
        trigger_data: json!({}),
    };
    world.use_cases.start_execution(actor, &world.store, request).await
}

fn greet() -> Selector {
    Selector::Name("greet".to_owned())
}

#[tokio::test]
async fn an_execution_is_accepted_with_what_its_workflow_says() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();

    let id = start(&world, world.user, greet(), json!({ "name": "Ada" })).await.unwrap();

    let execution = world.use_cases.execution(world.user, id).await.unwrap();
    assert_eq!((execution.status, execution.steps_total), (ExecutionStatus::Pending, 2));
    assert_eq!(execution.input_data, json!({ "name": "Ada" }));
}

#[tokio::test]
async fn an_input_is_refused_with_all_its_problems_and_there_is_no_execution() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();

    for (input, problems) in
        [(json!({}), 1), (json!({ "name": "too long a name" }), 1), (json!([]), 1), (json!({ "name": "a\u{0}b" }), 1)]
    {
        match start(&world, world.user, greet(), input.clone()).await {
            Err(Error::Input(refused)) => assert_eq!(refused.problems.len(), problems, "{input}: {refused}"),
            other => panic!("{input}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn only_an_active_version_is_run() {
    let world = World::new().await;
    let first = world.publish(GREET).await.unwrap();
    world.publish(&GREET.replace("60000", "70000")).await.unwrap();
    let retired = Selector::Id(WorkflowId::from_uuid(first.published[0].id));

    let refused = start(&world, world.user, retired, json!({ "name": "Ada" })).await.unwrap_err();

    assert_eq!(refused.to_string(), "the workflow `greet` is inactive, only an active one can be run");
}

#[tokio::test]
async fn what_belongs_to_somebody_else_does_not_exist() {
    let world = World::new().await;
    let published = world.publish(GREET).await.unwrap();
    let id = start(&world, world.user, greet(), json!({ "name": "Ada" })).await.unwrap();
    let stranger = world.another(UserRole::User).await;
    let by_id = Selector::Id(WorkflowId::from_uuid(published.published[0].id));

    for selector in [greet(), by_id] {
        let refused = start(&world, stranger, selector, json!({ "name": "Bob" })).await.unwrap_err();
        assert!(matches!(refused, Error::NotFound { entity: "workflow", .. }), "{refused}");
    }
    for refused in [
        world.use_cases.execution(stranger, id).await.unwrap_err(),
        world.use_cases.cancel_execution(stranger, id).await.unwrap_err(),
        world.use_cases.pause_execution(stranger, id, None).await.unwrap_err(),
        world.use_cases.resume_execution(stranger, id).await.unwrap_err(),
    ] {
        assert!(matches!(refused, Error::NotFound { entity: "execution", .. }), "{refused}");
    }
    let admin = world.another(UserRole::Admin).await;
    assert_eq!(world.use_cases.cancel_execution(admin, id).await.unwrap(), RequestOutcome::Requested);
}

#[tokio::test]
async fn a_pause_keeps_its_reason_and_each_request_is_told() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();
    let id = start(&world, world.user, greet(), json!({ "name": "Ada" })).await.unwrap();
    let pause = async |reason: &str| world.use_cases.pause_execution(world.user, id, Some(reason.to_owned())).await;
    let before = world.audited().await.len();

    assert_eq!(pause("a test").await.unwrap(), RequestOutcome::Requested);
    let paused = world.use_cases.execution(world.user, id).await.unwrap().paused;
    assert_eq!(paused.and_then(|pause| pause.reason).as_deref(), Some("a test"));
    assert_eq!(world.use_cases.resume_execution(world.user, id).await.unwrap(), RequestOutcome::Requested);
    assert_eq!(world.use_cases.execution(world.user, id).await.unwrap().paused, None);

    for reason in [String::new(), "x".repeat(PAUSE_REASON_CHARS_MAX + 1), "a\0b".to_owned()] {
        assert!(matches!(pause(&reason).await, Err(Error::Invalid(_))), "{reason:?}");
    }
    assert_eq!(pause(&"ä".repeat(PAUSE_REASON_CHARS_MAX)).await.unwrap(), RequestOutcome::Requested);
    let told = world.audited().await.split_off(before);
    assert_eq!(told, ["execution.paused", "execution.resumed", "execution.paused"]);
}
