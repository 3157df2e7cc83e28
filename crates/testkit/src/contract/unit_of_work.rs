//! The rules of transactions.

use turbocat_domain::{
    agent::AgentType,
    port::{RepositoryError, Result},
    user::User,
};

use super::{ContractStore, Scene};
use crate::{
    builder::{a_user, an_agent, an_audit_entry},
    clock::epoch,
    ids::SequentialIds,
};

/// What is not committed is not seen by others, and is undone when it is dropped.
pub async fn dropped_work_is_undone(store: &dyn ContractStore) {
    let user = a_user(&SequentialIds::new(2));
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&user).await.unwrap();
    assert!(is_missing(&store.users().get(user.id).await), "nobody else sees it yet");
    drop(uow);

    assert!(is_missing(&store.users().get(user.id).await));
    let mut again = store.begin().await.unwrap();
    again.users().insert(&user).await.unwrap();
    again.commit().await.unwrap();
    assert_eq!(store.users().get(user.id).await.unwrap(), user);
}

/// All changes of a unit of work, whatever they are to, are seen together once it is committed.
pub async fn committed_work_is_seen_as_a_whole(store: &dyn ContractStore) {
    let ids = SequentialIds::new(2);
    let user = a_user(&ids);
    let agent = an_agent(&ids, user.id, AgentType::Code);
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&user).await.unwrap();
    // It refers to what was written a moment ago in the same unit of work.
    uow.agents().insert(std::slice::from_ref(&agent)).await.unwrap();
    uow.audit_logs().append(&[an_audit_entry(&ids, Some(user.id), "agent.created")]).await.unwrap();
    uow.commit().await.unwrap();

    assert_eq!(store.users().get(user.id).await.unwrap(), user);
    assert_eq!(store.agents().get(agent.id).await.unwrap(), agent);
    let log = store.audit_logs().list(&<_>::default(), <_>::default()).await.unwrap();
    assert_eq!(log.items.len(), 1);
}

/// A unit of work in which something failed says so at commit, and leaves nothing behind.
pub async fn failed_work_is_aborted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let user = a_user(&scene.ids);
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&user).await.unwrap();
    assert!(uow.users().insert(&scene.user).await.is_err());
    let after = uow.users().insert(&a_user(&scene.ids)).await;
    assert!(after.is_err(), "nothing goes on after a failure");
    assert!(matches!(uow.commit().await, Err(RepositoryError::Aborted)));

    assert!(is_missing(&store.users().get(user.id).await));
    let mut again = store.begin().await.unwrap();
    again.users().insert(&user).await.unwrap();
    again.commit().await.unwrap();
}

/// A unit of work that did nothing commits.
pub async fn empty_work_commits(store: &dyn ContractStore) {
    store.begin().await.unwrap().commit().await.unwrap();
}

/// Of two who save what both have read, one wins and the other is told.
pub async fn one_of_two_saves_wins(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let save = async |url: &str| -> Result<()> {
        let changed = User { avatar_url: Some(url.to_owned()), ..scene.user.clone() };
        let mut uow = store.begin().await?;
        uow.users().save(&changed, epoch() + chrono::TimeDelta::seconds(1)).await?;
        uow.commit().await
    };
    let (one, two) = tokio::join!(save("one"), save("two"));

    assert!(one.is_ok() != two.is_ok(), "{one:?}, {two:?}");
    let winner = if one.is_ok() { "one" } else { "two" };
    let loser = one.err().or(two.err());
    assert!(matches!(loser, Some(RepositoryError::Conflict { .. })), "{loser:?}");
    assert_eq!(store.users().get(scene.user.id).await.unwrap().avatar_url.as_deref(), Some(winner));
}

fn is_missing<T>(result: &Result<T>) -> bool {
    matches!(result, Err(RepositoryError::NotFound { .. }))
}
