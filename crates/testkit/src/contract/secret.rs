//! The rules of secrets.

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    id::{SecretId, UserId},
    port::{IdGenerator, RepositoryError, Result},
    secret::{Sealed, StoredSecret},
    value::SecretName,
};

use super::{ContractStore, Scene};
use crate::clock::epoch;

/// A secret has one value at a time, keeps its id, and is its owner's alone.
pub async fn a_secret_is_set_and_set_again_and_deleted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let first = a_secret(&scene, scene.user.id, "TOKEN");
    assert_eq!(put(store, &first).await.unwrap(), first.id);
    let second = StoredSecret {
        hosts: vec!["b.org".to_owned(), "c.org".to_owned()],
        sealed: sealed("k2", 9),
        created_at: at(5),
        updated_at: at(5),
        ..a_secret(&scene, scene.user.id, "TOKEN")
    };
    assert_eq!(put(store, &second).await.unwrap(), first.id, "it is the same secret");
    let foreign = a_secret(&scene, other.id, "TOKEN");
    assert_eq!(put(store, &foreign).await.unwrap(), foreign.id);

    let wanted = ["TOKEN".to_owned(), "MISSING".to_owned()];
    let read = store.secrets().find(scene.user.id, &wanted).await.unwrap();
    assert_eq!(read, [StoredSecret { id: first.id, created_at: first.created_at, ..second }]);
    assert_eq!(store.secrets().get(first.id).await.unwrap(), read[0]);
    assert_eq!(store.secrets().find(other.id, &wanted).await.unwrap(), [foreign]);
    assert_eq!(store.secrets().find(other.id, &[]).await.unwrap(), []);
    let orphan = a_secret(&scene, scene.nobody(UserId::from_uuid), "TOKEN");
    assert!(matches!(put(store, &orphan).await, Err(RepositoryError::BrokenReference { .. })));

    delete(store, first.id).await.unwrap();
    assert_eq!(store.secrets().find(scene.user.id, &wanted).await.unwrap(), []);
    assert!(matches!(store.secrets().get(first.id).await, Err(RepositoryError::NotFound { .. })));
    assert!(matches!(delete(store, first.id).await, Err(RepositoryError::NotFound { .. })));
    assert_eq!(store.secrets().find(other.id, &wanted).await.unwrap().len(), 1, "that of another stays");
}

/// Secrets are listed by name, in slices.
pub async fn secrets_are_listed_by_name_in_slices(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    for name in ["b", "A", "_c", "D1", "D"] {
        put(store, &a_secret(&scene, scene.user.id, name)).await.unwrap();
    }
    let listed = async |after: &str, limit| {
        let page = store.secrets().list(scene.user.id, after, limit).await.unwrap();
        page.iter().map(|secret| secret.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed("", 9).await, ["A", "D", "D1", "_c", "b"]);
    assert_eq!(listed("", 2).await, ["A", "D"]);
    assert_eq!(listed("D", 2).await, ["D1", "_c"]);
    assert_eq!(listed("b", 2).await, Vec::<String>::new());
}

/// A secret goes under another key unless it was set meanwhile, and that is no change of it.
pub async fn a_secret_that_was_set_meanwhile_is_not_resealed(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let secret = a_secret(&scene, scene.user.id, "TOKEN");
    put(store, &secret).await.unwrap();
    assert_eq!(store.secrets().list_under_others("k1", 9).await.unwrap(), []);
    assert_eq!(store.secrets().list_under_others("k2", 9).await.unwrap(), std::slice::from_ref(&secret));

    reseal(store, &secret, &sealed("k2", 3)).await.unwrap();
    assert_eq!(store.secrets().list_under_others("k2", 9).await.unwrap(), []);
    let [read] = store.secrets().list(scene.user.id, "", 9).await.unwrap().try_into().unwrap();
    assert_eq!(read, StoredSecret { sealed: sealed("k2", 3), ..secret.clone() });

    let late = reseal(store, &secret, &sealed("k3", 4)).await;
    assert!(matches!(late, Err(RepositoryError::Conflict { .. })), "{late:?}");
    let same_key = StoredSecret { sealed: sealed("k2", 8), ..secret };
    let late = reseal(store, &same_key, &sealed("k3", 4)).await;
    assert!(matches!(late, Err(RepositoryError::Conflict { .. })), "{late:?}");
}

fn a_secret(scene: &Scene, owner: UserId, name: &str) -> StoredSecret {
    StoredSecret {
        id: SecretId::from_uuid(scene.ids.next()),
        user_id: owner,
        name: SecretName::parse(name).unwrap(),
        hosts: vec!["a.org".to_owned()],
        sealed: sealed("k1", 1),
        created_at: at(1),
        updated_at: at(1),
    }
}

fn sealed(key_id: &str, byte: u8) -> Sealed {
    Sealed { key_id: key_id.to_owned(), bytes: vec![0, byte, 255] }
}

async fn put(store: &dyn ContractStore, secret: &StoredSecret) -> Result<SecretId> {
    let mut uow = store.begin().await?;
    let id = uow.secrets().put(secret).await?;
    uow.commit().await.map(|()| id)
}

async fn reseal(store: &dyn ContractStore, secret: &StoredSecret, sealed: &Sealed) -> Result<()> {
    let mut uow = store.begin().await?;
    uow.secrets().reseal(secret.id, &secret.sealed, sealed).await?;
    uow.commit().await
}

async fn delete(store: &dyn ContractStore, id: SecretId) -> Result<()> {
    let mut uow = store.begin().await?;
    uow.secrets().delete(id).await?;
    uow.commit().await
}

fn at(seconds: i64) -> DateTime<Utc> {
    epoch() + TimeDelta::seconds(seconds)
}
