//! The rules of the tokens that are sent to users.

use chrono::TimeDelta;
use turbocat_domain::{
    id::{UserId, UserTokenId},
    port::{IdGenerator, RepositoryError, Result},
    user_token::{NewUserToken, TokenPurpose, UserToken},
    value::{Email, SecretHash},
};

use super::{ContractStore, Scene};

const RESET: TokenPurpose = TokenPurpose::PasswordReset;
const VERIFICATION: TokenPurpose = TokenPurpose::EmailVerification;
/// More than any rule here makes.
const MANY: u32 = 100;

/// A token is given out once, for its purpose alone, and says whose it is and where it was sent.
pub async fn a_token_is_redeemed_once_for_its_purpose(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let token = a_token(&scene, RESET);
    assert!(issue(store, &token, MANY).await.unwrap());
    let hash = token.token_hash.as_str();
    assert_eq!(find(store, VERIFICATION, hash).await, None);
    assert_eq!(redeem(store, VERIFICATION, hash).await, None);
    assert_eq!(redeem(store, RESET, "another").await, None);

    let found = find(store, RESET, hash).await.unwrap();
    assert_eq!((found.id, found.user_id, found.purpose), (token.id, scene.user.id, RESET));
    assert_eq!(found.email, token.email);
    assert_eq!(redeem(store, RESET, hash).await, Some(found));
    assert_eq!(redeem(store, RESET, hash).await, None, "it was used");
    assert_eq!(find(store, RESET, hash).await, None);
}

/// A token belongs to somebody, and two have not the same hash.
pub async fn a_token_has_an_owner_and_a_hash_of_its_own(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let token = a_token(&scene, RESET);
    assert!(issue(store, &token, MANY).await.unwrap());
    let twin = NewUserToken { token_hash: token.token_hash.clone(), ..a_token(&scene, VERIFICATION) };
    assert!(matches!(issue(store, &twin, MANY).await, Err(RepositoryError::AlreadyExists { .. })));
    let orphan = NewUserToken { user_id: scene.nobody(UserId::from_uuid), ..a_token(&scene, RESET) };
    assert!(matches!(issue(store, &orphan, MANY).await, Err(RepositoryError::BrokenReference { .. })));
}

/// What is past its time, by the store's clock, is not given out.
pub async fn a_token_past_its_time_is_worth_nothing(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    for lifetime in [TimeDelta::zero(), TimeDelta::hours(-1)] {
        let token = NewUserToken { lifetime, ..a_token(&scene, RESET) };
        assert!(issue(store, &token, MANY).await.unwrap());
        assert_eq!(find(store, RESET, token.token_hash.as_str()).await, None);
        assert_eq!(redeem(store, RESET, token.token_hash.as_str()).await, None);
    }
}

/// Using one ends the others of its user and purpose, and no more; so does a revocation, for all purposes.
pub async fn tokens_of_a_user_end_together(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let (first, second) = (a_token(&scene, RESET), a_token(&scene, RESET));
    let verification = a_token(&scene, VERIFICATION);
    let foreign = NewUserToken { user_id: other.id, ..a_token(&scene, RESET) };
    for token in [&first, &second, &verification, &foreign] {
        assert!(issue(store, token, MANY).await.unwrap());
    }
    let stands = async |token: &NewUserToken| find(store, token.purpose, token.token_hash.as_str()).await.is_some();
    assert!(redeem(store, RESET, second.token_hash.as_str()).await.is_some());
    assert!(!stands(&first).await && stands(&verification).await && stands(&foreign).await);

    let third = a_token(&scene, RESET);
    assert!(issue(store, &third, MANY).await.unwrap());
    let mut uow = store.begin().await.unwrap();
    uow.user_tokens().revoke_all(scene.user.id).await.unwrap();
    uow.commit().await.unwrap();
    assert!(!stands(&third).await && !stands(&verification).await && stands(&foreign).await);
}

/// So many stand at once and no more; one that was used, or is past its time, makes room.
pub async fn so_many_tokens_stand_at_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let old = NewUserToken { lifetime: TimeDelta::zero(), ..a_token(&scene, RESET) };
    assert!(issue(store, &old, 2).await.unwrap());
    let last = a_token(&scene, RESET);
    assert!(issue(store, &a_token(&scene, RESET), 2).await.unwrap());
    assert!(issue(store, &last, 2).await.unwrap());
    let refused = a_token(&scene, RESET);
    assert!(!issue(store, &refused, 2).await.unwrap());
    assert_eq!(find(store, RESET, refused.token_hash.as_str()).await, None);
    assert!(issue(store, &a_token(&scene, VERIFICATION), 2).await.unwrap(), "purposes are apart");

    assert!(redeem(store, RESET, last.token_hash.as_str()).await.is_some());
    assert!(issue(store, &refused, 2).await.unwrap());
}

/// A use that is undone was none.
pub async fn a_use_that_is_undone_leaves_the_token(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let token = a_token(&scene, VERIFICATION);
    assert!(issue(store, &token, MANY).await.unwrap());
    let mut uow = store.begin().await.unwrap();
    assert!(uow.user_tokens().redeem(VERIFICATION, token.token_hash.as_str()).await.unwrap().is_some());
    drop(uow);

    assert!(redeem(store, VERIFICATION, token.token_hash.as_str()).await.is_some());
}

/// Of many that use the tokens of one user at once, the same one or another, one succeeds.
pub async fn tokens_that_are_used_at_once_are_given_out_once(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let tokens = [a_token(&scene, RESET), a_token(&scene, RESET)];
    for token in &tokens {
        assert!(issue(store, token, MANY).await.unwrap());
    }
    let [one, two] = tokens.each_ref().map(|token| token.token_hash.as_str());
    let redeem = async |hash| redeem(store, RESET, hash).await;
    let (a, b, c, d) = tokio::join!(redeem(one), redeem(two), redeem(one), redeem(two));

    let given = [a, b, c, d].into_iter().flatten().count();
    assert_eq!(given, 1);
}

fn a_token(scene: &Scene, purpose: TokenPurpose) -> NewUserToken {
    let id = scene.ids.next();
    NewUserToken {
        id: UserTokenId::from_uuid(id),
        user_id: scene.user.id,
        purpose,
        token_hash: SecretHash::new(id.simple().to_string()),
        email: Email::parse("ada@example.com").unwrap(),
        lifetime: purpose.lifetime(),
    }
}

async fn issue(store: &dyn ContractStore, token: &NewUserToken, standing_max: u32) -> Result<bool> {
    let mut uow = store.begin().await?;
    let issued = uow.user_tokens().issue(token, standing_max).await?;
    uow.commit().await.map(|()| issued)
}

async fn find(store: &dyn ContractStore, purpose: TokenPurpose, hash: &str) -> Option<UserToken> {
    store.user_tokens().find_usable(purpose, hash).await.unwrap()
}

async fn redeem(store: &dyn ContractStore, purpose: TokenPurpose, hash: &str) -> Option<UserToken> {
    let mut uow = store.begin().await.unwrap();
    let redeemed = uow.user_tokens().redeem(purpose, hash).await.unwrap();
    uow.commit().await.unwrap();
    redeemed
}
