//! The rules of deployments: their names, their revisions, their health, and what is counted of their executions.

use chrono::TimeDelta;
use serde_json::json;
use turbocat_domain::{
    deployment::{Deployment, DeploymentRevision, DeploymentStatus, DeploymentTarget, Environment, HealthStatus},
    execution::ExecutionStatus,
    id::{AgentId, DeploymentId, DeploymentRevisionId, ExecutionId, WorkflowId},
    port::{
        DeploymentFilter, ExecutionFilter, FinishedExecution, IdGenerator, NewExecution, PageRequest, RepositoryError,
        Result,
    },
    value::{Name, Search},
};

use super::{
    ContractStore, Scene,
    scene::{claim, finish},
};
use crate::{
    builder::{a_completion, a_deployment},
    clock::epoch,
};

async fn insert(store: &dyn ContractStore, deployment: &Deployment) -> Result<()> {
    let mut uow = store.begin().await?;
    uow.deployments().insert(deployment).await?;
    uow.commit().await
}

async fn save(store: &dyn ContractStore, deployment: &Deployment) -> Result<()> {
    let mut uow = store.begin().await?;
    uow.deployments().save(deployment, deployment.updated_at + TimeDelta::seconds(1)).await?;
    uow.commit().await
}

/// A running deployment of the scene's workflow.
async fn running(store: &dyn ContractStore, scene: &Scene) -> Deployment {
    let target = DeploymentTarget::Workflow(scene.workflow.id);
    let running = Deployment { status: DeploymentStatus::Running, ..a_deployment(&scene.ids, scene.user.id, target) };
    insert(store, &running).await.unwrap();
    running
}

/// A deployment is found by whose it is, where it runs, how it stands, what it runs and what it is called.
pub async fn a_deployment_is_found_by_what_it_is(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let one = Deployment {
        name: Name::parse("Daily report").unwrap(),
        description: Some("For everybody".to_owned()),
        environment: Environment::Staging,
        status: DeploymentStatus::Running,
        ..a_deployment(&scene.ids, scene.user.id, DeploymentTarget::Workflow(scene.workflow.id))
    };
    let two = a_deployment(&scene.ids, other.id, DeploymentTarget::Agent(scene.agent.id));
    insert(store, &one).await.unwrap();
    insert(store, &two).await.unwrap();
    let mut uow = store.begin().await.unwrap();
    uow.deployments().record_health(two.id, (HealthStatus::Degraded, epoch())).await.unwrap();
    uow.commit().await.unwrap();

    let all = DeploymentFilter::default();
    let search = |text: &str| Some(Search::parse(text).unwrap());
    for (filter, expected) in [
        (DeploymentFilter { user: Some(other.id), ..all.clone() }, two.id),
        (DeploymentFilter { environment: Some(Environment::Staging), ..all.clone() }, one.id),
        (DeploymentFilter { status: Some(DeploymentStatus::Stopped), ..all.clone() }, two.id),
        (DeploymentFilter { health: Some(HealthStatus::Degraded), ..all.clone() }, two.id),
        (DeploymentFilter { name: Some("Daily report".to_owned()), ..all.clone() }, one.id),
        (DeploymentFilter { workflow: Some(scene.workflow.id), ..all.clone() }, one.id),
        (DeploymentFilter { agent: Some(scene.agent.id), ..all.clone() }, two.id),
        (DeploymentFilter { search: search("EVERYBODY daily"), ..all.clone() }, one.id),
    ] {
        let found = store.deployments().list(&filter, PageRequest::default()).await.unwrap().items;
        assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [expected], "{filter:?}");
    }
    for filter in [
        DeploymentFilter { name: Some("Daily".to_owned()), ..all.clone() },
        DeploymentFilter { search: search("daily weekly"), ..all.clone() },
        DeploymentFilter { workflow: Some(scene.nobody(WorkflowId::from_uuid)), ..all.clone() },
        DeploymentFilter { agent: Some(scene.nobody(AgentId::from_uuid)), ..all },
    ] {
        let found = store.deployments().list(&filter, PageRequest::default()).await.unwrap().items;
        assert!(found.is_empty(), "{filter:?}");
    }
}

/// A name is one deployment's of its owner in an environment, until that is deleted; and then it cannot be restored
/// while another one has it.
pub async fn a_name_is_one_deployments_in_an_environment(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let one = running(store, &scene).await;
    let same = || Deployment { id: DeploymentId::from_uuid(scene.ids.next()), ..one.clone() };

    let taken = insert(store, &same()).await;
    assert!(matches!(taken, Err(RepositoryError::AlreadyExists { .. })), "{taken:?}");
    insert(store, &Deployment { environment: Environment::Staging, ..same() }).await.unwrap();
    insert(store, &Deployment { user_id: other.id, ..same() }).await.unwrap();

    let now = epoch() + TimeDelta::seconds(1);
    let mut uow = store.begin().await.unwrap();
    uow.deployments().delete(one.id, now).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(store.deployments().get_deleted(one.id).await.unwrap().deleted_at, Some(now));
    insert(store, &same()).await.unwrap();
    let mut uow = store.begin().await.unwrap();
    let restored = uow.deployments().restore(one.id, now).await;
    assert!(matches!(restored, Err(RepositoryError::AlreadyExists { .. })), "{restored:?}");
    drop(uow);
    let unknown = store.deployments().get_deleted(scene.nobody(DeploymentId::from_uuid)).await;
    assert!(matches!(unknown, Err(RepositoryError::NotFound { .. })), "{unknown:?}");
}

/// Revisions are read as they were written, newest first, and none is written twice.
pub async fn revisions_are_kept_in_their_order(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let one = running(store, &scene).await;
    let revision = |number: u32| DeploymentRevision {
        id: DeploymentRevisionId::from_uuid(scene.ids.next()),
        deployment_id: one.id,
        number,
        workflow_id: scene.workflow.id,
        agent_id: Some(scene.agent.id).filter(|_| number == 2),
        config: json!({ "timeout_ms": number }),
        environment_vars: json!({ "REGION": "eu" }),
        user_id: scene.user.id,
        created_at: epoch() + TimeDelta::seconds(number.into()),
    };
    let write = async |revision: &DeploymentRevision| {
        let mut uow = store.begin().await?;
        uow.deployments().insert_revision(revision).await?;
        uow.commit().await
    };
    let all = [revision(1), revision(2), revision(3)];
    for one in &all {
        write(one).await.unwrap();
    }

    assert_eq!(store.deployments().revision(one.id, 2).await.unwrap(), all[1]);
    let (mut numbers, mut page) = (Vec::new(), PageRequest { limit: 2, after: None });
    loop {
        let found = store.deployments().revisions(one.id, page).await.unwrap();
        numbers.extend(found.items.iter().map(|revision| revision.number));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(numbers, [3, 2, 1]);
    let again = write(&revision(3)).await;
    assert!(matches!(again, Err(RepositoryError::AlreadyExists { .. })), "{again:?}");
    let orphan = DeploymentRevision { deployment_id: scene.nobody(DeploymentId::from_uuid), ..revision(4) };
    let orphan = write(&orphan).await;
    assert!(matches!(orphan, Err(RepositoryError::BrokenReference { .. })), "{orphan:?}");
    let missing = store.deployments().revision(one.id, 4).await;
    assert!(matches!(missing, Err(RepositoryError::NotFound { .. })), "{missing:?}");
}

/// What a check of the health found is no change that an editor must see, and none that an editor undoes.
pub async fn a_check_of_health_is_no_change(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let one = running(store, &scene).await;
    let at = epoch() + TimeDelta::minutes(1);
    let mut uow = store.begin().await.unwrap();
    uow.deployments().record_health(one.id, (HealthStatus::Unhealthy, at)).await.unwrap();
    uow.commit().await.unwrap();

    save(store, &Deployment { config: json!({ "timeout_ms": 1 }), ..one.clone() }).await.unwrap();

    let stored = store.deployments().get(one.id).await.unwrap();
    assert_eq!((stored.health_status, stored.last_health_check_at), (HealthStatus::Unhealthy, Some(at)));
    assert_eq!(stored.config, json!({ "timeout_ms": 1 }));
    let mut uow = store.begin().await.unwrap();
    let missing =
        uow.deployments().record_health(scene.nobody(DeploymentId::from_uuid), (HealthStatus::Healthy, at)).await;
    assert!(matches!(missing, Err(RepositoryError::NotFound { .. })), "{missing:?}");
}

/// The requests of a deployment are its executions that have ended, each counted once with its time; its executions are
/// found by it.
pub async fn the_requests_of_a_deployment_are_its_ended_executions(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let one = running(store, &scene).await;
    let mut started: Vec<ExecutionId> = Vec::new();
    for (status, ms) in
        [(ExecutionStatus::Completed, 100), (ExecutionStatus::Failed, 25), (ExecutionStatus::Timeout, 2)]
    {
        started.push(end_one(store, &scene, (one.id, status, ms)).await);
    }
    let worker = scene.worker(store).await;
    let foreign = scene.running(store, worker).await;
    finish(store, worker, a_completion(&foreign)).await;
    store.fold().await.unwrap();
    store.fold().await.unwrap();

    let stored = store.deployments().get(one.id).await.unwrap();
    assert_eq!((stored.total_requests, stored.total_errors, stored.avg_response_time_ms), (3, 2, 42), "127 / 3");
    assert_eq!((stored.total_response_time_ms, stored.updated_at), (127, one.updated_at));
    let filter = ExecutionFilter { deployment: Some(one.id), ..ExecutionFilter::default() };
    let found = store.executions().list(&filter, PageRequest::default()).await.unwrap().items;
    started.reverse();
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), started);
    let workflow = store.workflows().get(scene.workflow.id).await.unwrap();
    assert_eq!(workflow.total_executions, 4, "they are its workflow's too");

    save(store, &one).await.unwrap();
    assert_eq!(store.deployments().get(one.id).await.unwrap().total_requests, 3, "a save writes no metric");
}

/// Starts an execution by a deployment and ends it.
async fn end_one(
    store: &dyn ContractStore,
    scene: &Scene,
    (deployment, status, ms): (DeploymentId, ExecutionStatus, i64),
) -> ExecutionId {
    let trigger_data = json!({ "deployment": { "id": deployment.as_uuid() }, "env": {} });
    let new = NewExecution { trigger_data, ..scene.new_execution() };
    let worker = scene.worker(store).await;
    store.insert(std::slice::from_ref(&new), None).await.unwrap();
    store.tick().await;
    let claimed = claim(store, worker).await.remove(0);
    let finished = FinishedExecution {
        status,
        started_at: epoch(),
        completed_at: epoch() + TimeDelta::milliseconds(ms),
        ..a_completion(&claimed)
    };
    finish(store, worker, finished).await;
    new.id
}

/// A deployment that is stopping has stopped when the last of its executions has ended, and not before; one that runs
/// goes on. That is a change that an editor must see.
pub async fn a_deployment_has_stopped_when_its_last_execution_has_ended(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (one, other) = (running(store, &scene).await, running(store, &scene).await);
    let trigger_data = json!({ "deployment": { "id": one.id.as_uuid() }, "env": {} });
    let new = NewExecution { trigger_data, ..scene.new_execution() };
    store.insert(std::slice::from_ref(&new), None).await.unwrap();
    store.tick().await;
    let worker = scene.worker(store).await;
    let last = claim(store, worker).await.remove(0);
    let stopping = Deployment { status: DeploymentStatus::Stopping, ..one.clone() };
    save(store, &stopping).await.unwrap();
    let status = async |id| store.deployments().get(id).await.unwrap().status;

    end_one(store, &scene, (one.id, ExecutionStatus::Completed, 1)).await;
    end_one(store, &scene, (other.id, ExecutionStatus::Completed, 1)).await;
    store.fold().await.unwrap();
    assert_eq!(status(one.id).await, DeploymentStatus::Stopping, "one of its executions runs");

    let before = store.deployments().get(one.id).await.unwrap();
    finish(store, worker, a_completion(&last)).await;
    assert_eq!(status(one.id).await, DeploymentStatus::Stopping, "it is not folded yet");
    store.fold().await.unwrap();
    assert_eq!(status(one.id).await, DeploymentStatus::Stopped);
    assert_eq!(status(other.id).await, DeploymentStatus::Running);
    let late = save(store, &before).await;
    assert!(matches!(late, Err(RepositoryError::Conflict { .. })), "{late:?}");
}
