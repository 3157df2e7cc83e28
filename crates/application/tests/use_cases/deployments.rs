//! Deployments: pinned versions, their revisions, how they stand, and what they start.

use serde_json::{Value, json};
use turbocat_application::{
    Actor, DeploymentChange, DeploymentContent, DeploymentSettings, DeploymentSource, Error, Idempotency, Result,
    Selector, Standing, StartExecution,
};
use turbocat_domain::{
    deployment::{Deployment, DeploymentStatus, Environment, HealthStatus},
    execution::{Execution, TriggerType, deployment_of},
    id::{DeploymentId, ExecutionId, WorkflowId},
    port::{
        ClaimRequest, CounterRepository, DeploymentFilter, ExecutionQueue, IdGenerator, Journal, JournalBatch,
        PageRequest, Queries, RepositoryError, WorkerRepository,
    },
    user::UserRole,
    workflow::WorkflowStatus,
};
use turbocat_testkit::builder::{a_completion, a_worker};

use crate::world::World;

const GREET: &str = "
name: greet
input: { type: object, properties: { name: { type: string, maxLength: 5 } } }
settings: { timeout_ms: 60000 }
steps: [{ key: a, type: wait, config: { duration_ms: 1 } }]
";

fn vars(vars: Value) -> DeploymentSettings {
    DeploymentSettings { environment_vars: Some(vars), ..DeploymentSettings::default() }
}

fn content(source: DeploymentSource, settings: DeploymentSettings) -> DeploymentContent {
    DeploymentContent {
        name: "Greeter".to_owned(),
        description: None,
        environment: Environment::Production,
        source,
        settings,
    }
}

fn named(workflow: &str) -> DeploymentSource {
    DeploymentSource::Workflow(Selector::Name(workflow.to_owned()))
}

/// A running deployment of the active version of `greet`.
async fn running(world: &World, settings: DeploymentSettings) -> Deployment {
    let content = content(named("greet"), settings);
    let (made, _) = world.use_cases.create_deployment((world.user, None), content).await.unwrap();
    assert_eq!((made.status, made.revision), (DeploymentStatus::Stopped, 1));
    world.use_cases.set_deployment(world.user, made.id, Standing::Running).await.unwrap()
}

async fn start(world: &World, actor: Actor, id: DeploymentId, input: Value) -> Result<ExecutionId> {
    let request = StartExecution {
        id: ExecutionId::from_uuid(world.ids.next()),
        workflow: Selector::Deployment(id),
        input,
        trigger_type: TriggerType::Api,
        trigger_data: json!({ "source": "test" }),
    };
    world.store.clock().advance_ms(1);
    world.use_cases.start_execution(actor, &world.store, request).await
}

async fn started(world: &World, id: DeploymentId, input: Value) -> Execution {
    let id = start(world, world.user, id, input).await.unwrap();
    world.use_cases.execution(world.user, id).await.unwrap()
}

/// Lets a worker complete all that waits for one.
async fn complete_all(world: &World) {
    let worker = a_worker(world.ids.as_ref());
    world.store.register(&worker).await.unwrap();
    let claimed = world.store.claim(ClaimRequest { worker: worker.id, limit: 100 }).await.unwrap();
    assert!(!claimed.is_empty());
    let finished = claimed.iter().map(a_completion).collect();
    world.store.commit(worker.id, &JournalBatch { finished, ..JournalBatch::default() }).await.unwrap();
    world.store.fold().await.unwrap();
}

async fn stands(world: &World, id: DeploymentId) -> Deployment {
    world.use_cases.deployment(world.user, id).await.unwrap()
}

#[tokio::test]
async fn a_deployment_runs_the_version_that_it_was_pointed_at_in_its_way() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();
    let settings = DeploymentSettings {
        config: Some(json!({ "input": { "name": "Ada", "more": 1 }, "timeout_ms": 5_000 })),
        allocated_memory_mb: Some(64),
        ..vars(json!({ "REGION": "eu", "TOKEN": { "$secret": "API" } }))
    };
    let one = running(&world, settings).await;
    assert_eq!((one.status, one.deployed_at), (DeploymentStatus::Running, Some(world.now())));
    world.publish(&GREET.replace("60000", "70000")).await.unwrap();

    let execution = started(&world, one.id, json!({ "more": 2 })).await;

    assert_eq!(Some(execution.workflow_id), one.workflow_id, "another version is active now");
    assert_eq!(execution.input_data, json!({ "name": "Ada", "more": 2 }));
    assert_eq!((execution.deadline_at.unwrap() - execution.created_at).num_milliseconds(), 5_000);
    let data = &execution.trigger_data;
    assert_eq!(deployment_of(data), Some(one.id));
    assert_eq!(data["env"], json!({ "REGION": "eu", "TOKEN": { "$secret": "API" } }));
    assert_eq!((&data["source"], &data["deployment"]["revision"]), (&json!("test"), &json!(1)));
    assert_eq!(data["allocated"], json!({ "memory_mb": 64, "cpu_shares": 1_024 }));
    let refused = start(&world, world.user, one.id, json!({ "name": "too long" })).await.unwrap_err();
    assert!(matches!(refused, Error::Input(_)), "{refused:?}");
}

#[tokio::test]
async fn each_change_of_what_runs_is_a_revision_and_can_be_gone_back_to() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();
    let one = running(&world, vars(json!({ "REGION": "eu" }))).await;
    let change = async |change| {
        world.store.clock().advance_ms(1);
        world.use_cases.change_deployment(world.user, one.id, change).await
    };
    let text = DeploymentChange { description: Some("Greets".to_owned()), ..DeploymentChange::default() };
    assert_eq!(change(text).await.unwrap().revision, 1, "a description is nothing that runs");
    let other = DeploymentChange { settings: vars(json!({ "REGION": "us" })), ..DeploymentChange::default() };
    assert_eq!(change(other.clone()).await.unwrap().revision, 2);
    assert_eq!(change(other).await.unwrap().revision, 2, "it was so already");
    let second = world.publish(&GREET.replace("60000", "70000")).await.unwrap().published[0].id;
    let next = change(DeploymentChange { source: Some(named("greet")), ..DeploymentChange::default() }).await.unwrap();
    assert_eq!((next.revision, next.workflow_id), (3, Some(WorkflowId::from_uuid(second))));
    let roll = async |number| {
        world.store.clock().advance_ms(1);
        world.use_cases.roll_deployment_back(world.user, (one.id, number), None).await
    };

    let back = roll(None).await.unwrap();
    assert_eq!((back.revision, back.workflow_id), (4, one.workflow_id));
    assert_eq!(started(&world, one.id, json!({})).await.trigger_data["env"], json!({ "REGION": "us" }));
    let first = roll(Some(1)).await.unwrap();
    assert_eq!((first.revision, &first.environment_vars), (5, &json!({ "REGION": "eu" })));
    assert_eq!(first.description.as_deref(), Some("Greets"), "what does not run is not gone back to");

    assert!(matches!(roll(Some(5)).await, Err(Error::Invalid(_))));
    assert!(matches!(roll(Some(9)).await, Err(Error::NotFound { .. })));
    let stale = world.use_cases.roll_deployment_back(world.user, (one.id, None), Some(one.updated_at)).await;
    assert!(matches!(stale, Err(Error::Storage(RepositoryError::Conflict { .. }))), "{stale:?}");
    let page = world.use_cases.deployment_revisions(world.user, one.id, PageRequest::default()).await.unwrap();
    assert_eq!(page.items.iter().map(|revision| revision.number).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    world.use_cases.delete_workflow(world.user, WorkflowId::from_uuid(second)).await.unwrap();
    assert!(matches!(roll(Some(3)).await, Err(Error::NotFound { entity: "workflow", .. })));
}

#[tokio::test]
async fn one_that_is_stopped_ends_what_it_has_begun_and_takes_nothing_new() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();
    let one = running(&world, DeploymentSettings::default()).await;
    let set = async |standing| world.use_cases.set_deployment(world.user, one.id, standing).await;
    started(&world, one.id, json!({})).await;

    assert_eq!(set(Standing::Maintenance).await.unwrap().status, DeploymentStatus::Maintenance);
    let refused = start(&world, world.user, one.id, json!({})).await.unwrap_err();
    assert_eq!(refused.to_string(), "the deployment `Greeter` is maintenance, only a running one can do this");
    assert_eq!(set(Standing::Stopped).await.unwrap().status, DeploymentStatus::Stopping);
    assert_eq!(set(Standing::Stopped).await.unwrap().status, DeploymentStatus::Stopping);
    complete_all(&world).await;
    let stopped = stands(&world, one.id).await;
    assert_eq!((stopped.status, stopped.total_requests, stopped.total_errors), (DeploymentStatus::Stopped, 1, 0));
    assert!(matches!(set(Standing::Maintenance).await, Err(Error::NotRunning { .. })));
    assert!(matches!(start(&world, world.user, one.id, json!({})).await, Err(Error::NotRunning { .. })));

    assert_eq!(set(Standing::Running).await.unwrap().status, DeploymentStatus::Running);
    assert_eq!(set(Standing::Running).await.unwrap().status, DeploymentStatus::Running);
    assert_eq!(set(Standing::Stopped).await.unwrap().status, DeploymentStatus::Stopped, "nothing runs");
}

#[tokio::test]
async fn one_that_cannot_run_fails_and_its_health_says_why() {
    let world = World::new().await;
    let id = WorkflowId::from_uuid(world.publish(GREET).await.unwrap().published[0].id);
    let one = running(&world, vars(json!({ "TOKEN": { "$secret": "NONE" } }))).await;
    let look = async || {
        world.store.clock().advance_ms(60_000);
        let health = world.use_cases.deployment_health(world.user, one.id).await.unwrap();
        let codes: Vec<_> = health.problems.iter().map(|problem| problem.code).collect();
        let stored = stands(&world, one.id).await;
        assert_eq!((stored.health_status, stored.last_health_check_at), (health.status, Some(world.now())));
        (health.status, codes)
    };
    assert_eq!(look().await, (HealthStatus::Degraded, vec!["missing_secret"]));
    let noted = stands(&world, one.id).await.last_health_check_at;
    world.store.clock().advance_ms(59_999);
    world.use_cases.deployment_health(world.user, one.id).await.unwrap();
    assert_eq!(stands(&world, one.id).await.last_health_check_at, noted, "nothing new is noted once a minute");

    world.use_cases.delete_workflow(world.user, id).await.unwrap();
    assert_eq!(look().await, (HealthStatus::Unhealthy, vec!["target_missing", "missing_secret"]));
    world.use_cases.set_deployment(world.user, one.id, Standing::Stopped).await.unwrap();
    let failed = world.use_cases.set_deployment(world.user, one.id, Standing::Running).await.unwrap();
    assert_eq!((failed.status, failed.health_status), (DeploymentStatus::Failed, HealthStatus::Unhealthy));
    world.use_cases.restore_workflow(world.user, id).await.unwrap();
    let works = world.use_cases.set_deployment(world.user, one.id, Standing::Running).await.unwrap();
    assert_eq!(works.status, DeploymentStatus::Running);
}

#[tokio::test]
async fn an_agent_is_deployed_with_a_workflow_that_nothing_else_starts() {
    let world = World::new().await;
    world.publish("kind: agent\nname: reader\ntype: data\nconfig: { program: . }\n").await.unwrap();
    let agent = || DeploymentSource::AgentName("reader".to_owned());
    let settings = DeploymentSettings::default;
    let deploy = async |environment| {
        let content = DeploymentContent { environment, ..content(agent(), settings()) };
        world.use_cases.create_deployment((world.user, None), content).await.unwrap().0
    };
    let (one, two) = (deploy(Environment::Production).await, deploy(Environment::Staging).await);
    assert_eq!((one.workflow_id, one.agent_id.is_some(), one.agent_id), (None, true, two.agent_id));
    world.use_cases.set_deployment(world.user, one.id, Standing::Running).await.unwrap();
    world.publish("kind: agent\nname: reader\ntype: data\nconfig: { program: .a }\n").await.unwrap();

    let execution = started(&world, one.id, json!({ "n": 1 })).await;

    let (workflow, steps) = {
        let workflows = world.store.workflows();
        (workflows.get(execution.workflow_id).await.unwrap(), workflows.steps(execution.workflow_id).await.unwrap())
    };
    assert_eq!((workflow.status, workflow.name.as_str()), (WorkflowStatus::Archived, "deployed agent reader"));
    assert_eq!((steps.len(), steps[0].agent_id, &steps[0].inputs), (1, one.agent_id, &json!("${{ input }}")));
    let revisions = world.store.deployments();
    let [first, second] = [revisions.revision(one.id, 1).await.unwrap(), revisions.revision(two.id, 1).await.unwrap()];
    assert_eq!(first.workflow_id, second.workflow_id, "one is enough for a version");
    let directly = StartExecution {
        id: ExecutionId::from_uuid(world.ids.next()),
        workflow: Selector::Id(workflow.id),
        input: json!({}),
        trigger_type: TriggerType::Api,
        trigger_data: json!({}),
    };
    let refused = world.use_cases.start_execution(world.user, &world.store, directly).await.unwrap_err();
    assert!(matches!(refused, Error::NotActive { .. }), "{refused:?}");

    let newer = DeploymentChange { source: Some(agent()), ..DeploymentChange::default() };
    let newer = world.use_cases.change_deployment(world.user, one.id, newer).await.unwrap();
    assert!(newer.agent_id != one.agent_id && newer.revision == 2, "{newer:?}");
    let back = world.use_cases.roll_deployment_back(world.user, (one.id, None), None).await.unwrap();
    assert_eq!(back.agent_id, one.agent_id);
    assert_eq!(started(&world, one.id, json!({})).await.workflow_id, workflow.id);
}

#[tokio::test]
async fn what_is_wrong_is_told_at_once_and_a_name_is_taken_once() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();
    let create = async |content| world.use_cases.create_deployment((world.user, None), content).await;
    let wrong = DeploymentContent { name: " ".to_owned(), ..content(named("greet"), vars(json!({ "a-b": 1 }))) };
    match create(wrong).await {
        Err(Error::Invalid(problems)) => assert_eq!(problems.len(), 2, "{problems}"),
        other => panic!("{other:?}"),
    }
    let unknown = create(content(named("nothing"), DeploymentSettings::default())).await;
    assert!(matches!(unknown, Err(Error::NotFound { entity: "workflow", .. })), "{unknown:?}");
    create(content(named("greet"), DeploymentSettings::default())).await.unwrap();
    let again = create(content(named("greet"), DeploymentSettings::default())).await;
    assert!(matches!(again, Err(Error::Storage(RepositoryError::AlreadyExists { .. }))), "{again:?}");
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there_and_a_request_is_done_once() {
    let world = World::new().await;
    world.publish(GREET).await.unwrap();
    let by_key = Idempotency::new("k", "deployments.create", b"{}").unwrap();
    let create = async || {
        let content = content(named("greet"), DeploymentSettings::default());
        world.use_cases.create_deployment((world.user, Some(&by_key)), content).await.unwrap()
    };
    let (one, is_repeated) = create().await;
    let again = create().await;
    assert_eq!((again.0.id, is_repeated, again.1), (one.id, false, true));
    world.use_cases.set_deployment(world.user, one.id, Standing::Running).await.unwrap();

    let (other, admin) = (world.another(UserRole::User).await, world.another(UserRole::Admin).await);
    assert!(matches!(world.use_cases.deployment(other, one.id).await, Err(Error::NotFound { .. })));
    assert!(matches!(world.use_cases.delete_deployment(other, one.id, None).await, Err(Error::NotFound { .. })));
    for actor in [other, admin] {
        assert!(matches!(start(&world, actor, one.id, json!({})).await, Err(Error::NotFound { .. })), "{actor:?}");
    }
    let seen = async |actor| {
        world
            .use_cases
            .deployments(actor, DeploymentFilter::default(), PageRequest::default())
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!((seen(world.user).await, seen(other).await, seen(admin).await), (1, 0, 1));

    world.use_cases.delete_deployment(world.user, one.id, None).await.unwrap();
    assert!(matches!(start(&world, world.user, one.id, json!({})).await, Err(Error::NotFound { .. })));
    assert!(matches!(world.use_cases.restore_deployment(other, one.id).await, Err(Error::NotFound { .. })));
    let restored = world.use_cases.restore_deployment(world.user, one.id).await.unwrap();
    assert_eq!(restored.status, DeploymentStatus::Stopped);
    let told = world.audited().await;
    let of_deployments: Vec<_> = told.iter().filter(|action| action.starts_with("deployment.")).collect();
    let expected = ["deployment.created", "deployment.activated", "deployment.deleted", "deployment.restored"];
    assert_eq!(of_deployments, expected);
}
