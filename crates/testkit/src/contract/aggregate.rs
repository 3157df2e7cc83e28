//! The rules that hold for every aggregate: each is checked for users, agents, workflows, templates, deployments and
//! API keys.

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    agent::Agent,
    api_key::ApiKey,
    deployment::Deployment,
    id::UserId,
    port::{Cursor, PageRequest, RepositoryError, Result},
    template::Template,
    user::User,
    workflow::Workflow,
};

use super::{ContractStore, Scene, kind::Kind};
use crate::clock::epoch;

/// Checks a rule for every kind.
macro_rules! for_every_kind {
    ($store:ident, $rule:ident) => {{
        let scene = Scene::set($store).await;
        $rule::<User>($store, &scene).await;
        $rule::<Agent>($store, &scene).await;
        $rule::<Workflow>($store, &scene).await;
        $rule::<Template>($store, &scene).await;
        $rule::<Deployment>($store, &scene).await;
        $rule::<ApiKey>($store, &scene).await;
    }};
}

/// What is inserted is read as it was written, every field of it.
pub async fn what_is_inserted_is_read_as_it_was_written(store: &dyn ContractStore) {
    for_every_kind!(store, round_trip);
}

/// A saved change is read, with the time of the change; a change to what was read before that is refused.
pub async fn a_stale_change_is_refused(store: &dyn ContractStore) {
    for_every_kind!(store, stale_change);
}

/// What is deleted is hidden, can be restored, and is neither deleted nor restored twice.
pub async fn what_is_deleted_is_hidden_until_it_is_restored(store: &dyn ContractStore) {
    for_every_kind!(store, delete_and_restore);
}

/// Pages are read newest first, whole and without repetition, also where many were created at the same moment.
pub async fn pages_are_complete_and_without_repetition(store: &dyn ContractStore) {
    for_every_kind!(store, pages);
}

/// An id is taken once.
pub async fn an_id_is_taken_once(store: &dyn ContractStore) {
    for_every_kind!(store, same_id);
}

/// What refers to a user who is not there is refused.
pub async fn what_refers_to_nobody_is_refused(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    orphans::<Agent>(store, &scene).await;
    orphans::<Workflow>(store, &scene).await;
    orphans::<Template>(store, &scene).await;
    orphans::<Deployment>(store, &scene).await;
    orphans::<ApiKey>(store, &scene).await;
}

async fn round_trip<K: Kind>(store: &dyn ContractStore, scene: &Scene) {
    let row = K::make(scene);
    insert(store, &row).await;
    assert_eq!(row.get(store).await.unwrap(), row);
    let unknown = K::make(scene).get(store).await;
    assert!(matches!(unknown, Err(RepositoryError::NotFound { .. })), "{unknown:?}");
}

async fn stale_change<K: Kind>(store: &dyn ContractStore, scene: &Scene) {
    let read = K::make(scene);
    insert(store, &read).await;
    let mut changed = read.clone();
    changed.change();
    let mut uow = store.begin().await.unwrap();
    changed.save(uow.as_mut(), at(1)).await.unwrap();
    uow.commit().await.unwrap();

    changed.touch(at(1), false);
    assert_eq!(changed.get(store).await.unwrap(), changed);
    let mut uow = store.begin().await.unwrap();
    let stale = read.save(uow.as_mut(), at(2)).await;
    assert!(matches!(stale, Err(RepositoryError::Conflict { .. })), "{stale:?}");
    assert!(matches!(uow.commit().await, Err(RepositoryError::Aborted)));
    assert_eq!(changed.get(store).await.unwrap(), changed);
}

async fn delete_and_restore<K: Kind>(store: &dyn ContractStore, scene: &Scene) {
    let mut row = K::make(scene);
    insert(store, &row).await;
    expect_not_found(&restore(store, &row, at(1)).await);

    delete(store, &row, at(1)).await.unwrap();
    row.touch(at(1), true);
    match row.get(store).await {
        Ok(read) if K::SHOWS_DELETED => assert_eq!(read, row),
        hidden => expect_not_found(&hidden),
    }
    assert_eq!(listed(&row, store, false).await, 0);
    expect_not_found(&delete(store, &row, at(2)).await);

    restore(store, &row, at(3)).await.unwrap();
    row.touch(at(3), false);
    assert_eq!(row.get(store).await.unwrap(), row);
    assert_eq!(listed(&row, store, false).await, 1);
    let unknown = K::make(scene);
    expect_not_found(&delete(store, &unknown, at(4)).await);
}

async fn pages<K: Kind>(store: &dyn ContractStore, scene: &Scene) {
    let mut inserted = Vec::new();
    for number in 0..7 {
        let mut row = K::make(scene);
        // Three moments, in another order than the ids.
        row.create_at(at(100 + (number * 5) % 3));
        insert(store, &row).await;
        inserted.push(row.cursor());
    }
    inserted.sort_by_key(|cursor| std::cmp::Reverse((cursor.created_at, cursor.id)));

    let row = K::make(scene);
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let page = row.list(store, false, PageRequest { limit: 3, after }).await.unwrap();
        assert!(page.items.len() <= 3);
        let cursors: Vec<Cursor> = page.items.iter().map(K::cursor).collect();
        if page.next.is_some() {
            assert_eq!((page.items.len(), page.next), (3, cursors.last().copied()));
        }
        read.extend(cursors);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Those of the scene are older, and stand behind.
    assert_eq!(read[..7], inserted);
    let all = row.list(store, false, PageRequest::default()).await.unwrap();
    assert_eq!(read, all.items.iter().map(K::cursor).collect::<Vec<_>>());
    assert_eq!(all.next, None);
    let whole = PageRequest { limit: u16::try_from(read.len()).unwrap(), after: None };
    assert_eq!(row.list(store, false, whole).await.unwrap().next, None, "nothing follows the last");
}

async fn same_id<K: Kind>(store: &dyn ContractStore, scene: &Scene) {
    let row = K::make(scene);
    insert(store, &row).await;
    let mut uow = store.begin().await.unwrap();
    let twice = row.insert(uow.as_mut()).await;
    assert!(matches!(twice, Err(RepositoryError::AlreadyExists { .. })), "{twice:?}");
}

async fn orphans<K: Kind>(store: &dyn ContractStore, scene: &Scene) {
    let mut row = K::make(scene);
    row.orphan(scene.nobody(UserId::from_uuid));
    let mut uow = store.begin().await.unwrap();
    let refused = row.insert(uow.as_mut()).await;
    assert!(matches!(refused, Err(RepositoryError::BrokenReference { .. })), "{refused:?}");
}

async fn insert<K: Kind>(store: &dyn ContractStore, row: &K) {
    let mut uow = store.begin().await.unwrap();
    row.insert(uow.as_mut()).await.unwrap();
    uow.commit().await.unwrap();
}

async fn delete<K: Kind>(store: &dyn ContractStore, row: &K, now: DateTime<Utc>) -> Result<()> {
    let mut uow = store.begin().await?;
    row.delete(uow.as_mut(), now).await?;
    uow.commit().await
}

async fn restore<K: Kind>(store: &dyn ContractStore, row: &K, now: DateTime<Utc>) -> Result<()> {
    let mut uow = store.begin().await?;
    row.restore(uow.as_mut(), now).await?;
    uow.commit().await
}

/// How often a list has the row.
async fn listed<K: Kind>(row: &K, store: &dyn ContractStore, with_deleted: bool) -> usize {
    let page = row.list(store, with_deleted, PageRequest { limit: 200, after: None }).await.unwrap();
    page.items.iter().filter(|other| other.cursor().id == row.cursor().id).count()
}

fn expect_not_found<T: std::fmt::Debug>(result: &Result<T>) {
    assert!(matches!(result, Err(RepositoryError::NotFound { .. })), "{result:?}");
}

/// So many seconds after everything in the scene was made.
fn at(seconds: i64) -> DateTime<Utc> {
    epoch() + TimeDelta::seconds(seconds)
}
