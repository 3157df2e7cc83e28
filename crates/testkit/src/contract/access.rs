//! The rules of sessions, repeated requests, rates, and the use of keys.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use turbocat_domain::{
    api_key::ApiKey,
    id::{SessionId, UserId, UserTokenId},
    idempotency::IdempotencyRecord,
    limits,
    port::{IdGenerator, KeyUse, PageRequest, RateGrant, RateRequest, RepositoryError, Result},
    session::Session,
    user_token::{NewUserToken, TokenPurpose},
    value::SecretHash,
};

use super::{ContractStore, Scene};
use crate::{
    builder::{a_session, an_api_key},
    clock::epoch,
};

/// A session is found by the hash of its token until it is ended, and belongs to somebody.
pub async fn a_session_is_found_by_its_hash_until_it_is_ended(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let session = Session {
        ip_address: Some("2001:db8::1".parse().unwrap()),
        user_agent: Some("a browser".to_owned()),
        ..a_session(&scene.ids, scene.user.id)
    };
    insert(store, &session).await.unwrap();
    let found = async || store.sessions().find_by_hash(session.token_hash.as_str()).await.unwrap();
    assert_eq!(found().await, Some(session.clone()));
    assert_eq!(store.sessions().get(session.id).await.unwrap(), session);
    let twin = Session { token_hash: session.token_hash.clone(), ..a_session(&scene.ids, scene.user.id) };
    assert!(matches!(insert(store, &twin).await, Err(RepositoryError::AlreadyExists { .. })));
    let orphan = a_session(&scene.ids, scene.nobody(UserId::from_uuid));
    assert!(matches!(insert(store, &orphan).await, Err(RepositoryError::BrokenReference { .. })));

    end(store, session.id).await.unwrap();
    assert_eq!(found().await, None);
    assert_eq!(store.sessions().get(session.id).await.unwrap(), Session { ended_at: Some(at(1)), ..session.clone() });
    assert!(matches!(end(store, session.id).await, Err(RepositoryError::NotFound { .. })), "it ends once");
}

/// All sessions of a user end at once, and those of others go on; what ended is not listed.
pub async fn the_sessions_of_a_user_end_together(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let mut own = Vec::new();
    for seconds in 0..3 {
        let created_at = at(seconds);
        own.push(Session { created_at, ..a_session(&scene.ids, scene.user.id) });
    }
    let foreign = a_session(&scene.ids, other.id);
    for session in own.iter().chain([&foreign]) {
        insert(store, session).await.unwrap();
    }
    let listed = async |user| {
        let page = store.sessions().list(user, PageRequest { limit: 2, after: None }).await.unwrap();
        (page.items.iter().map(|session| session.id).collect::<Vec<_>>(), page.next.is_some())
    };
    assert_eq!(listed(scene.user.id).await, (vec![own[2].id, own[1].id], true));

    end(store, own[1].id).await.unwrap();
    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.sessions().end_all(scene.user.id, at(5)).await.unwrap(), 2, "one had ended");
    uow.commit().await.unwrap();

    assert_eq!(listed(scene.user.id).await, (Vec::new(), false));
    assert_eq!(listed(other.id).await.0, [foreign.id]);
    assert_eq!(store.sessions().get(own[1].id).await.unwrap().ended_at, Some(at(1)), "the first end counts");
}

/// The first request with a key has it, the others see what it left; keys of others are others.
pub async fn a_key_of_idempotency_is_claimed_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let first = a_request(&scene, scene.user.id);
    assert_eq!(claim(store, &first).await, None);
    let second = IdempotencyRecord { resource_id: scene.ids.next(), ..first.clone() };
    assert_eq!(claim(store, &second).await, Some(first.clone()));
    let foreign = IdempotencyRecord { user_id: other.id, ..second.clone() };
    assert_eq!(claim(store, &foreign).await, None);

    let answer = json!({ "id": "x" });
    let mut uow = store.begin().await.unwrap();
    uow.idempotency().answer(first.user_id, &first.key, &answer).await.unwrap();
    uow.commit().await.unwrap();
    let answered = IdempotencyRecord { answer: Some(answer), ..first.clone() };
    assert_eq!(claim(store, &second).await, Some(answered));

    // What was undone was never claimed.
    let undone = IdempotencyRecord { key: "undone".to_owned(), ..first.clone() };
    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.idempotency().claim(&undone, limits::IDEMPOTENCY_LIFETIME).await.unwrap(), None);
    drop(uow);
    assert_eq!(claim(store, &undone).await, None);

    let later = IdempotencyRecord {
        created_at: first.created_at + limits::IDEMPOTENCY_LIFETIME + TimeDelta::seconds(1),
        fingerprint: "another".to_owned(),
        ..second
    };
    assert_eq!(claim(store, &later).await, None, "it is forgotten after its lifetime");
    assert_eq!(claim(store, &later).await, Some(later.clone()), "and claimed anew, without an answer");
}

/// Of requests that claim one key at once, one has it, and the others see what it left.
pub async fn claims_of_one_key_at_once_take_turns(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let answer = json!({ "made": true });
    let requests: Vec<_> = (0..4).map(|_| a_request(&scene, scene.user.id)).collect();
    let attempt = async |request: &IdempotencyRecord| {
        let mut uow = store.begin().await.unwrap();
        let standing = uow.idempotency().claim(request, limits::IDEMPOTENCY_LIFETIME).await.unwrap();
        if standing.is_none() {
            uow.idempotency().answer(request.user_id, &request.key, &answer).await.unwrap();
        }
        uow.commit().await.unwrap();
        standing
    };
    let (a, b, c, d) =
        tokio::join!(attempt(&requests[0]), attempt(&requests[1]), attempt(&requests[2]), attempt(&requests[3]));
    let seen = [a, b, c, d];
    let winners = seen.iter().filter(|standing| standing.is_none()).count();
    assert_eq!(winners, 1, "{seen:?}");
    let ids: Vec<_> = seen.iter().flatten().map(|standing| (standing.resource_id, standing.answer.clone())).collect();
    assert!(ids.iter().all(|(id, left)| *id == ids[0].0 && *left == Some(answer.clone())), "{ids:?}");
}

/// A rate gives its burst at once and nothing behind it; whoever asks for more gets what is there.
pub async fn a_rate_gives_its_burst_and_no_more(store: &dyn ContractStore) {
    // One permit a minute: none comes up while this rule runs.
    let request = |subject: &str, wanted| RateRequest { subject: subject.to_owned(), per_minute: 1, burst: 5, wanted };
    let first = store.take(&request("one", 2)).await.unwrap();
    assert_eq!(first, RateGrant { granted: 2, remaining: 3, retry_after_ms: 0 });
    assert_eq!(store.take(&request("one", 9)).await.unwrap().granted, 3);
    let empty = store.take(&request("one", 1)).await.unwrap();
    assert_eq!((empty.granted, empty.remaining), (0, 0));
    assert!((1..=60_000).contains(&empty.retry_after_ms), "{empty:?}");
    assert_eq!(store.take(&request("other", 9)).await.unwrap().granted, 5, "rates are apart");
}

/// However many ask at once, no more is given than there is.
pub async fn a_rate_is_not_overdrawn_by_many_at_once(store: &dyn ContractStore) {
    let request = RateRequest { subject: "hot".to_owned(), per_minute: 1, burst: 7, wanted: 3 };
    let take = async || store.take(&request).await.unwrap().granted;
    let (a, b, c, d) = tokio::join!(take(), take(), take(), take());

    assert_eq!(a + b + c + d, 7, "{a} {b} {c} {d}");
}

/// Uses of keys add up, never move back, and leave the key as it was for who changes it.
pub async fn the_use_of_keys_adds_up(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let keys = [an_api_key(&scene.ids, scene.user.id), an_api_key(&scene.ids, scene.user.id)];
    let mut uow = store.begin().await.unwrap();
    for key in &keys {
        uow.api_keys().insert(key).await.unwrap();
    }
    uow.commit().await.unwrap();
    let uses = |seconds: [i64; 2]| {
        let uses = keys.iter().zip(seconds);
        uses.map(|(key, second)| KeyUse { id: key.id, count: 3, last_used_at: at(second) }).collect::<Vec<_>>()
    };
    store.record_uses(&uses([5, 5])).await.unwrap();
    store.record_uses(&uses([4, 9])).await.unwrap();
    store.record_uses(&[]).await.unwrap();
    let unknown = KeyUse { id: scene.nobody(turbocat_domain::id::ApiKeyId::from_uuid), ..uses([1, 1])[0] };
    store.record_uses(&[unknown]).await.unwrap();

    let read = async |key: &ApiKey| store.api_keys().get(key.id).await.unwrap();
    let counted = read(&keys[0]).await;
    assert_eq!(counted, ApiKey { usage_count: 6, last_used_at: Some(at(5)), ..keys[0].clone() });
    assert_eq!(read(&keys[1]).await.last_used_at, Some(at(9)));

    // Who read the key before it was used may still change it, and takes nothing back.
    let mut uow = store.begin().await.unwrap();
    uow.api_keys().save(&ApiKey { is_active: false, ..keys[0].clone() }, at(10)).await.unwrap();
    uow.commit().await.unwrap();
    let changed = read(&keys[0]).await;
    assert_eq!((changed.usage_count, changed.last_used_at, changed.is_active), (6, Some(at(5)), false));
}

/// What has had its time is forgotten, and nothing else.
pub async fn what_has_had_its_time_is_pruned(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    // A store whose clock runs is past the epoch by more than any of these lives; far ahead of it is not.
    let old = Session { expires_at: epoch() - TimeDelta::days(31), ..a_session(&scene.ids, scene.user.id) };
    let young = Session { expires_at: far_future(), ..a_session(&scene.ids, scene.user.id) };
    insert(store, &old).await.unwrap();
    insert(store, &young).await.unwrap();
    let forgotten = IdempotencyRecord { created_at: epoch() - TimeDelta::days(2), ..a_request(&scene, scene.user.id) };
    let kept =
        IdempotencyRecord { key: "kept".to_owned(), created_at: far_future(), ..a_request(&scene, scene.user.id) };
    assert_eq!(claim(store, &forgotten).await, None);
    assert_eq!(claim(store, &kept).await, None);

    let mut uow = store.begin().await.unwrap();
    for days in [-2, 1] {
        let id = scene.ids.next();
        let token = NewUserToken {
            id: UserTokenId::from_uuid(id),
            user_id: scene.user.id,
            purpose: TokenPurpose::PasswordReset,
            token_hash: SecretHash::new(id.simple().to_string()),
            email: scene.user.email.clone(),
            lifetime: TimeDelta::days(days),
        };
        assert!(uow.user_tokens().issue(&token, 5).await.unwrap());
    }
    uow.commit().await.unwrap();

    assert_eq!(store.prune().await.unwrap(), 3);
    assert!(store.sessions().get(old.id).await.is_err());
    assert_eq!(store.sessions().get(young.id).await.unwrap(), young);
    assert_eq!(claim(store, &kept).await, Some(kept.clone()));
    assert_eq!(store.prune().await.unwrap(), 0);
}

fn a_request(scene: &Scene, user: UserId) -> IdempotencyRecord {
    IdempotencyRecord {
        user_id: user,
        key: "order-7".to_owned(),
        fingerprint: "0f".repeat(32),
        resource_id: scene.ids.next(),
        answer: None,
        created_at: epoch(),
    }
}

async fn claim(store: &dyn ContractStore, record: &IdempotencyRecord) -> Option<IdempotencyRecord> {
    let mut uow = store.begin().await.unwrap();
    let standing = uow.idempotency().claim(record, limits::IDEMPOTENCY_LIFETIME).await.unwrap();
    uow.commit().await.unwrap();
    standing
}

async fn insert(store: &dyn ContractStore, session: &Session) -> Result<()> {
    let mut uow = store.begin().await?;
    uow.sessions().insert(session).await?;
    uow.commit().await
}

async fn end(store: &dyn ContractStore, id: SessionId) -> Result<()> {
    let mut uow = store.begin().await?;
    uow.sessions().end(id, at(1)).await?;
    uow.commit().await
}

fn at(seconds: i64) -> DateTime<Utc> {
    epoch() + TimeDelta::seconds(seconds)
}

fn far_future() -> DateTime<Utc> {
    epoch() + TimeDelta::days(27_000)
}
