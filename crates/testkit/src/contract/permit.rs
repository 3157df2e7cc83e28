//! The rules of permits.

use turbocat_domain::{
    agent::Agent,
    id::{AgentId, WorkerId},
    permit::{PermitGrant, PermitRequest},
};

use super::{ContractStore, Scene, scene::kill};

/// An agent that may run so often at once.
async fn limited(store: &dyn ContractStore, scene: &Scene, most: Option<u32>) -> AgentId {
    let agent = Agent { max_concurrent_executions: most, ..scene.agent.clone() };
    let mut uow = store.begin().await.unwrap();
    uow.agents().save(&agent, crate::clock::epoch()).await.unwrap();
    uow.commit().await.unwrap();
    agent.id
}

async fn take(
    store: &dyn ContractStore,
    (worker, agent): (WorkerId, AgentId),
    (running, wanted): (u32, u32),
) -> PermitGrant {
    store.tick().await;
    store.take_permits(worker, agent, PermitRequest { running, wanted }).await.unwrap()
}

const fn grant(granted: u32, is_contended: bool) -> PermitGrant {
    PermitGrant { granted, is_contended }
}

/// What one worker holds no other gets, and what it gives back goes to who waits.
pub async fn permits_are_shared_by_all_workers(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let agent = limited(store, &scene, Some(3)).await;
    let (one, two) = (scene.worker(store).await, scene.worker(store).await);

    assert_eq!(take(store, (one, agent), (0, 2)).await, grant(2, false));
    assert_eq!(take(store, (two, agent), (0, 9)).await, grant(1, false));
    assert_eq!(take(store, (one, agent), (2, 9)).await, grant(2, true));
    assert_eq!(take(store, (one, agent), (0, 9)).await, grant(1, true));
    assert_eq!(take(store, (two, agent), (1, 9)).await, grant(1, true));
    assert_eq!(take(store, (one, agent), (0, 0)).await, grant(0, true));
    assert_eq!(take(store, (two, agent), (1, 9)).await, grant(3, false));
}

/// What a worker held that is marked dead is there for others; itself it gets nothing any more.
pub async fn the_permits_of_the_dead_are_free(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let agent = limited(store, &scene, Some(1)).await;
    let (dead, other) = (scene.worker(store).await, scene.worker(store).await);
    assert_eq!(take(store, (dead, agent), (0, 1)).await, grant(1, false));
    assert_eq!(take(store, (other, agent), (0, 1)).await, grant(0, false));
    store.expire_lease(dead).await;
    assert_eq!(take(store, (other, agent), (0, 1)).await, grant(0, false), "nobody has found it dead");

    kill(store, dead, other).await;
    assert_eq!(take(store, (other, agent), (0, 1)).await, grant(1, false));
    assert_eq!(take(store, (dead, agent), (1, 1)).await, grant(0, false));
    assert_eq!(take(store, (scene.nobody(WorkerId::from_uuid), agent), (0, 1)).await, grant(0, false));
}

/// Who wants nothing is not waited for.
pub async fn who_gives_all_back_leaves_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let agent = limited(store, &scene, Some(1)).await;
    let (one, two) = (scene.worker(store).await, scene.worker(store).await);
    assert_eq!(take(store, (one, agent), (0, 1)).await.granted, 1);
    assert_eq!(take(store, (two, agent), (0, 1)).await.granted, 0);
    assert_eq!(take(store, (two, agent), (0, 0)).await, grant(0, false));

    assert_eq!(take(store, (one, agent), (0, 1)).await, grant(1, false), "nobody waits for it");
}

/// However many ask at once, there are no more than there are.
pub async fn permits_that_are_asked_for_at_once_are_given_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let agent = limited(store, &scene, Some(2)).await;
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(scene.worker(store).await);
    }
    let ask = async |place: usize| take(store, (workers[place], agent), (0, 2)).await.granted;

    let (a, b, c, d) = tokio::join!(ask(0), ask(1), ask(2), ask(3));
    assert_eq!(a + b + c + d, 2);
}

/// An agent without a limit, or that is not there, has none to share.
pub async fn what_has_no_limit_has_no_permits(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let agent = limited(store, &scene, None).await;
    let worker = scene.worker(store).await;

    assert_eq!(take(store, (worker, agent), (0, 1)).await, grant(0, false));
    assert_eq!(take(store, (worker, scene.nobody(AgentId::from_uuid)), (0, 1)).await, grant(0, false));
}
