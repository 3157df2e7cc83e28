//! Secrets: whose they are, what is told of them, and how they go under another key.

use std::sync::Arc;

use turbocat_application::{
    Access, AccessPorts, Actor, Error, Match, NewSecret, NoRandomness, Origin, PasswordError, Passwords, SecretInfo,
    SecretSource, StoredSecrets,
};
use turbocat_domain::{
    id::UserId,
    port::{AuditLogFilter, PageRequest, Queries, SecretCipher, SecretVault, Store},
    user::UserRole,
    value::SecretHash,
};
use turbocat_testkit::cipher::PlainCipher;

use crate::world::World;

/// Nobody logs in here.
struct Nothing;

#[async_trait::async_trait]
impl Passwords for Nothing {
    async fn hash(&self, password: String) -> Result<SecretHash, PasswordError> {
        Ok(SecretHash::new(password))
    }

    async fn compare(&self, _password: String, _hash: Option<SecretHash>) -> Result<Match, PasswordError> {
        Ok(Match::Wrong)
    }
}

impl SecretSource for Nothing {
    fn fill(&self, _bytes: &mut [u8]) -> Result<(), NoRandomness> {
        Err(NoRandomness)
    }
}

struct Safe {
    world: World,
    access: Access,
    cipher: Arc<PlainCipher>,
    vault: StoredSecrets,
}

impl Safe {
    async fn new() -> Self {
        let (world, cipher) = (World::new().await, Arc::new(PlainCipher::default()));
        let ports = AccessPorts {
            limiter: Arc::new(world.store.clone()),
            ledger: Arc::new(world.store.clone()),
            passwords: Arc::new(Nothing),
            secrets: Arc::new(Nothing),
            cipher: Arc::clone(&cipher) as _,
            mailer: Arc::new(turbocat_testkit::mail::Mailbox::default()),
            public_url: String::new(),
        };
        let access = Access::new(world.use_cases.clone(), ports);
        let vault = StoredSecrets::new(Arc::new(world.store.clone()), Arc::clone(&cipher) as _);
        Self { world, access, cipher, vault }
    }

    async fn set(&self, actor: Actor, name: &str, value: &str) -> SecretInfo {
        self.access.set_secret(actor, wanted(name, value), &Origin::default()).await.unwrap()
    }

    /// What an agent of an execution of this user is given.
    async fn revealed(&self, owner: UserId) -> Vec<(String, String)> {
        let names = ["A", "B", "NONE"].map(str::to_owned);
        let revealed = self.vault.reveal(owner, &names).await.unwrap();
        revealed.into_iter().map(|one| (one.name, one.value)).collect()
    }

    async fn names(&self, actor: Actor, owner: Option<UserId>) -> Vec<String> {
        let found = self.access.secrets(actor, owner, ("", 50)).await.unwrap();
        found.into_iter().map(|one| one.name.to_string()).collect()
    }
}

fn wanted(name: &str, value: &str) -> NewSecret {
    NewSecret {
        name: name.to_owned(),
        value: value.to_owned(),
        hosts: vec![" Api.Example.com ".to_owned()],
        owner: None,
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_secret_is_its_owners_and_is_told_without_its_value() {
    let safe = Safe::new().await;
    let (user, other, admin) =
        (safe.world.user, safe.world.another(UserRole::User).await, safe.world.another(UserRole::Admin).await);
    let first = safe.set(user, "A", "the-first-value").await;
    safe.world.store.clock().advance_ms(5);
    let second = safe.set(user, "A", "the-second-value").await;
    safe.set(other, "A", "another-value").await;

    assert_eq!((second.id, second.created_at), (first.id, first.created_at));
    assert!(second.updated_at > first.updated_at);
    assert_eq!(second.hosts, ["api.example.com"]);
    assert_eq!(safe.revealed(user.id).await, [pair("A", "the-second-value")]);
    assert_eq!(safe.revealed(other.id).await, [pair("A", "another-value")]);

    let foreign = safe.access.secrets(other, Some(user.id), ("", 50)).await;
    assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
    let foreign = safe.access.delete_secret(other, (Some(user.id), "A"), &Origin::default()).await;
    assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
    assert_eq!(safe.names(admin, Some(user.id)).await, ["A"]);

    safe.access.delete_secret(user, (None, "A"), &Origin::default()).await.unwrap();
    assert_eq!(safe.revealed(user.id).await, []);
    let again = safe.access.delete_secret(user, (None, "A"), &Origin::default()).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
    assert_eq!(safe.world.audited().await, ["secret.set", "secret.set", "secret.set", "secret.deleted"]);
    let page = PageRequest { limit: 50, after: None };
    let noted = safe.world.store.audit_logs().list(&AuditLogFilter::default(), page).await.unwrap();
    assert!(!format!("{noted:?} {second:?} {:?}", wanted("A", "the-value")).contains("-value"), "{noted:?}");
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once_and_nothing_is_stored() {
    let safe = Safe::new().await;
    let hosts = ["http://a.org", "fine.org"].map(str::to_owned).to_vec();
    let bad = NewSecret { name: "9".to_owned(), value: "short\0".to_owned(), hosts, owner: None };

    let refused = safe.access.set_secret(safe.world.user, bad, &Origin::default()).await;

    let Err(Error::Invalid(problems)) = refused else { panic!("{refused:?}") };
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["name", "value", "value", "hosts[0]"]);
    assert!(!problems.to_string().contains("short\0"));
    assert!(safe.names(safe.world.user, None).await.is_empty() && safe.world.audited().await.is_empty());
    let agent = safe.world.another(UserRole::Agent).await;
    let refused = safe.access.set_secret(agent, wanted("A", "the-value"), &Origin::default()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_rotation_puts_all_under_a_new_key_and_is_for_administrators() {
    let safe = Safe::new().await;
    let (user, admin) = (safe.world.user, safe.world.another(UserRole::Admin).await);
    for index in 0..150 {
        safe.set(admin, &format!("N{index}"), "value-of-many").await;
    }
    safe.set(user, "A", "value-of-a").await;
    let refused = safe.access.rotate_secrets(user, &Origin::default()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");

    let done = safe.access.rotate_secrets(admin, &Origin::default()).await.unwrap();

    assert_eq!((done.key_id.as_str(), done.resealed), ("key-1", 151));
    assert!(safe.world.store.secrets().list_under_others("key-1", 9).await.unwrap().is_empty());
    safe.set(user, "B", "value-of-b").await;
    assert_eq!(safe.revealed(user.id).await, [pair("A", "value-of-a"), pair("B", "value-of-b")]);
    assert_eq!(safe.cipher.current().unwrap(), "key-1");
}

#[tokio::test]
async fn a_value_that_was_moved_to_another_owner_cannot_be_opened_and_says_so() {
    let safe = Safe::new().await;
    let (user, other) = (safe.world.user, safe.world.another(UserRole::User).await);
    safe.set(user, "A", "value-of-a").await;
    let mut stolen = safe.world.store.secrets().find(user.id, &["A".to_owned()]).await.unwrap().remove(0);
    stolen.user_id = other.id;
    stolen.id = turbocat_domain::id::SecretId::from_uuid(turbocat_domain::port::IdGenerator::next(&*safe.world.ids));
    let mut uow = safe.world.store.begin().await.unwrap();
    uow.secrets().put(&stolen).await.unwrap();
    uow.commit().await.unwrap();

    let error = safe.vault.reveal(other.id, &["A".to_owned()]).await.unwrap_err();

    assert_eq!((error.code.as_str(), error.retryable), ("secret_unreadable", false));
    assert!(error.message.contains("`A`"), "{error}");
}
