//! Who asks: logins, sessions, keys, and what each may do.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use async_trait::async_trait;
use turbocat_application::{
    Access, AccessPorts, AccountChange, Actor, Credential, Error, IssuedKey, LogIn, Match, NewAccount, NewKey,
    NoRandomness, Origin, PasswordError, Passwords, Result, SecretSource, Via,
};
use turbocat_domain::{
    limits,
    permission::Permission,
    port::{PageRequest, Queries, Store},
    user::{User, UserRole},
    value::SecretHash,
};

use crate::world::World;

/// Access on the world's store, with an administrator.
struct Gate {
    world: World,
    access: Access,
    /// The same as another process has it.
    elsewhere: Access,
    admin: Actor,
    passwords: Arc<PlainPasswords>,
}

impl Gate {
    async fn new() -> Self {
        let world = World::new().await;
        let admin = world.another(UserRole::Admin).await;
        let passwords = Arc::new(PlainPasswords::default());
        let access = || {
            Access::new(
                world.use_cases.clone(),
                AccessPorts {
                    limiter: Arc::new(world.store.clone()),
                    ledger: Arc::new(world.store.clone()),
                    passwords: Arc::clone(&passwords) as _,
                    secrets: Arc::new(Counting::default()),
                    cipher: Arc::new(turbocat_testkit::cipher::PlainCipher::default()),
                    mailer: Arc::new(turbocat_testkit::mail::Mailbox::default()),
                    public_url: String::new(),
                },
            )
        };
        let (access, elsewhere) = (access(), access());
        Self { world, access, elsewhere, admin, passwords }
    }

    async fn account(&self, email: &str, role: UserRole) -> User {
        let password = (role != UserRole::Agent).then(|| "correct horse".to_owned());
        let wanted = NewAccount { email: email.to_owned(), full_name: None, role, password };
        self.access.create_user(self.admin, wanted, &Origin::default()).await.unwrap()
    }

    async fn log_in(&self, email: &str, password: &str, from: &str) -> Result<String> {
        let login = LogIn { email: email.to_owned(), password: password.to_owned() };
        Ok(self.access.log_in(login, &origin(from)).await?.token.expose().to_owned())
    }

    async fn key(&self, actor: Actor, scopes: &[&str]) -> Result<IssuedKey> {
        self.access.create_key(actor, new_key(scopes), &Origin::default()).await
    }

    async fn actor_of(&self, token: &str) -> Result<Actor> {
        let credential = if token.starts_with("tc_live") { Credential::Key(token) } else { Credential::Session(token) };
        Ok(self.access.authenticate(credential, &origin("192.0.2.9")).await?.actor)
    }

    fn advance_ms(&self, ms: u64) {
        self.world.store.clock().advance_ms(ms);
    }
}

fn origin(address: &str) -> Origin {
    Origin { ip_address: Some(address.parse::<IpAddr>().unwrap()), ..Origin::default() }.with_user_agent("a test")
}

fn new_key(scopes: &[&str]) -> NewKey {
    NewKey {
        name: "CI".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        owner: None,
        expires_at: None,
        rate_limit_per_minute: None,
    }
}

fn is_unknown<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unauthenticated))
}

/// A hash that is the password, and a count of the comparisons.
#[derive(Default)]
struct PlainPasswords {
    compared: AtomicU8,
}

#[async_trait]
impl Passwords for PlainPasswords {
    async fn hash(&self, password: String) -> std::result::Result<SecretHash, PasswordError> {
        Ok(SecretHash::new(password))
    }

    async fn compare(&self, password: String, hash: Option<SecretHash>) -> std::result::Result<Match, PasswordError> {
        self.compared.fetch_add(1, Ordering::SeqCst);
        Ok(match hash {
            Some(hash) if hash.as_str() == password => Match::Right,
            Some(hash) if hash.as_str() == format!("old {password}") => Match::RightButOld,
            _ => Match::Wrong,
        })
    }
}

/// Bytes that are others each time.
#[derive(Default)]
struct Counting(AtomicU8);

impl SecretSource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> std::result::Result<(), NoRandomness> {
        bytes.fill(self.0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    }
}

#[tokio::test]
async fn a_login_begins_a_session_that_a_logout_ends() {
    let gate = Gate::new().await;
    let user = gate.account("ada@example.com", UserRole::User).await;

    let token = gate.log_in(" ADA@example.com", "correct horse", "192.0.2.1").await.unwrap();
    let caller = gate.access.authenticate(Credential::Session(&token), &origin("192.0.2.1")).await.unwrap();
    assert_eq!((caller.actor.id, caller.rate), (user.id, None));
    assert!(matches!(caller.via, Via::Session(_)));
    let sessions = gate.access.sessions(caller.actor, PageRequest::default()).await.unwrap().items;
    assert_eq!((sessions.len(), sessions[0].user_agent.as_deref()), (1, Some("a test")));
    assert_eq!(gate.world.store.users().get(user.id).await.unwrap().last_login_at, Some(gate.world.now()));

    gate.access.log_out(&caller, &origin("192.0.2.1")).await.unwrap();
    assert!(is_unknown(&gate.actor_of(&token).await));
    assert!(!gate.access.still_stands(&caller).await.unwrap());
    assert_eq!(gate.world.audited().await, ["user.created", "session.began", "session.ended"]);
}

#[tokio::test]
async fn neither_the_answer_nor_the_work_tells_whether_there_is_an_account() {
    let gate = Gate::new().await;
    gate.account("ada@example.com", UserRole::User).await;
    let off = gate.account("off@example.com", UserRole::User).await;
    let switched_off = AccountChange { is_active: Some(false), ..AccountChange::default() };
    gate.access.change_user(gate.admin, (off.id, switched_off), &Origin::default()).await.unwrap();
    let service = gate.account("bot@example.com", UserRole::Agent).await;
    // A service account with a password, as somebody might have written it into its row.
    let with_password = User { password_hash: Some(SecretHash::new("correct horse")), ..service };
    let mut uow = gate.world.store.begin().await.unwrap();
    uow.users().save(&with_password, gate.world.now()).await.unwrap();
    uow.commit().await.unwrap();

    let attempts = [
        ("ada@example.com", "wrong"),
        ("nobody@example.com", "correct horse"),
        ("not an address", "correct horse"),
        ("off@example.com", "correct horse"),
        ("bot@example.com", "correct horse"),
        ("ada@example.com", &"x".repeat(10_000)),
    ];
    for (email, password) in attempts {
        let before = gate.passwords.compared.load(Ordering::SeqCst);
        assert!(is_unknown(&gate.log_in(email, password, "192.0.2.1").await), "{email}");
        assert_eq!(gate.passwords.compared.load(Ordering::SeqCst), before + 1, "{email} is compared");
    }
    let refused = gate.world.audited().await.iter().filter(|action| *action == "session.refused").count();
    assert_eq!(refused, attempts.len());
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_keeps_nobody_out() {
    let gate = Gate::new().await;
    gate.account("ada@example.com", UserRole::User).await;
    let mut compared = 0;
    for guess in 0..10_000 {
        match gate.log_in("ada@example.com", &format!("guess {guess}"), "203.0.113.1").await {
            Err(Error::Unauthenticated) => compared += 1,
            Err(Error::RateLimited { limit, retry_after_ms }) => {
                assert_eq!(limit, limits::LOGINS_PER_MINUTE);
                assert!((1..=12_000).contains(&retry_after_ms), "{retry_after_ms}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(compared, limits::LOGINS_PER_MINUTE, "of 10,000 guesses");
    assert!(gate.log_in("ada@example.com", "correct horse", "192.0.2.1").await.is_ok(), "from elsewhere");

    gate.advance_ms(60_000);
    assert!(gate.log_in("ada@example.com", "correct horse", "203.0.113.1").await.is_ok(), "a minute later");
}

#[tokio::test]
async fn a_hash_of_an_older_system_is_replaced_at_the_login() {
    let gate = Gate::new().await;
    let user = gate.account("ada@example.com", UserRole::User).await;
    let old = User { password_hash: Some(SecretHash::new("old correct horse")), ..user.clone() };
    let mut uow = gate.world.store.begin().await.unwrap();
    uow.users().save(&old, gate.world.now()).await.unwrap();
    uow.commit().await.unwrap();

    gate.log_in("ada@example.com", "correct horse", "192.0.2.1").await.unwrap();

    let stored = gate.world.store.users().get(user.id).await.unwrap();
    assert_eq!(stored.password_hash, Some(SecretHash::new("correct horse")));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_and_its_owners_role_allow() {
    let gate = Gate::new().await;
    let user = Actor::from(&gate.account("ada@example.com", UserRole::User).await);
    let issued = gate.key(user, &["workflows:*", "executions:read"]).await.unwrap();

    let actor = gate.actor_of(issued.token.expose()).await.unwrap();
    assert_eq!((actor.id, actor.role), (user.id, UserRole::User));
    assert!(actor.may(Permission::WorkflowsWrite) && actor.may(Permission::ExecutionsRead));
    assert!(!actor.may(Permission::ExecutionsStart) && !actor.may(Permission::KeysWrite));
    let agents = actor.ensure(Permission::AgentsRead);
    assert!(matches!(agents, Err(Error::Forbidden { permission: Permission::AgentsRead })), "{agents:?}");

    let everything = gate.key(user, &["*"]).await.unwrap();
    let actor = gate.actor_of(everything.token.expose()).await.unwrap();
    assert!(!actor.may(Permission::UsersRead), "a role is not left by a scope");
    let stored = gate.world.store.api_keys().get(issued.key.id).await.unwrap();
    assert_eq!(stored.key_hash.as_str().len(), 64, "what is stored is a hash");
    assert!(issued.token.expose().starts_with(&stored.key_prefix));
}

#[tokio::test]
async fn no_key_makes_one_that_may_do_more() {
    let gate = Gate::new().await;
    let user = Actor::from(&gate.account("ada@example.com", UserRole::User).await);
    let issued = gate.key(user, &["keys:*", "workflows:read"]).await.unwrap();
    let narrow = gate.actor_of(issued.token.expose()).await.unwrap();

    for scopes in [&["*"][..], &["workflows:*"], &["keys:read", "executions:start"]] {
        let refused = gate.key(narrow, scopes).await;
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{scopes:?}: {refused:?}");
    }
    assert!(gate.key(narrow, &["keys:read", "workflows:read"]).await.is_ok());

    // Nor for somebody else, be it an administrator's key.
    let admins = gate.key(gate.admin, &["keys:*"]).await.unwrap();
    let admins = gate.actor_of(admins.token.expose()).await.unwrap();
    let for_user = NewKey { owner: Some(user.id), ..new_key(&["workflows:read"]) };
    let refused = gate.access.create_key(admins, for_user.clone(), &Origin::default()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    let made = gate.access.create_key(gate.admin, for_user.clone(), &Origin::default()).await.unwrap();
    assert_eq!(made.key.user_id, user.id);
    let for_admin = NewKey { owner: Some(gate.admin.id), ..for_user };
    let refused = gate.access.create_key(user, for_admin, &Origin::default()).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_key_is_told_at_once() {
    let gate = Gate::new().await;
    let wanted = NewKey {
        name: String::new(),
        scopes: vec!["workflow:read".to_owned(), "a b".to_owned()],
        owner: None,
        expires_at: Some(gate.world.now()),
        rate_limit_per_minute: Some(0),
    };
    let refused = gate.access.create_key(gate.world.user, wanted, &Origin::default()).await;
    let Err(Error::Invalid(problems)) = refused else { panic!("{refused:?}") };

    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["name", "scopes[0]", "scopes[1]", "expires_at", "rate_limit_per_minute"]);
    let none = gate.key(gate.world.user, &[]).await;
    assert!(matches!(none, Err(Error::Invalid(_))), "{none:?}");
}

#[tokio::test]
async fn a_revoked_key_is_refused_here_at_once_and_elsewhere_within_a_second() {
    let gate = Gate::new().await;
    let issued = gate.key(gate.world.user, &["*"]).await.unwrap();
    let (key, from) = (Credential::Key(issued.token.expose()), origin("192.0.2.1"));
    gate.access.authenticate(key, &from).await.unwrap();
    gate.elsewhere.authenticate(key, &from).await.unwrap();

    let other = gate.world.another(UserRole::User).await;
    let foreign = gate.access.revoke_key(other, issued.key.id, &from).await;
    assert!(matches!(foreign, Err(Error::NotFound { .. })), "{foreign:?}");
    gate.access.revoke_key(gate.world.user, issued.key.id, &from).await.unwrap();

    assert!(is_unknown(&gate.access.authenticate(key, &from).await));
    gate.advance_ms(999);
    assert!(is_unknown(&gate.elsewhere.authenticate(key, &from).await));
    let again = gate.access.revoke_key(gate.world.user, issued.key.id, &from).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
}

#[tokio::test]
async fn a_key_ends_with_its_time_and_with_its_owner() {
    let gate = Gate::new().await;
    let user = gate.account("ada@example.com", UserRole::User).await;
    let expires_at = Some(gate.world.now() + chrono::TimeDelta::minutes(1));
    let expiring = NewKey { expires_at, ..new_key(&["*"]) };
    let expiring = gate.access.create_key(Actor::from(&user), expiring, &Origin::default()).await.unwrap();
    let lasting = gate.key(Actor::from(&user), &["*"]).await.unwrap();
    assert!(gate.actor_of(expiring.token.expose()).await.is_ok());
    gate.advance_ms(60_000);
    assert!(is_unknown(&gate.actor_of(expiring.token.expose()).await));

    let session = gate.log_in("ada@example.com", "correct horse", "192.0.2.1").await.unwrap();
    assert!(gate.actor_of(lasting.token.expose()).await.is_ok() && gate.actor_of(&session).await.is_ok());
    let off = AccountChange { is_active: Some(false), ..AccountChange::default() };
    gate.access.change_user(gate.admin, (user.id, off), &Origin::default()).await.unwrap();
    assert!(is_unknown(&gate.actor_of(lasting.token.expose()).await));
    assert!(is_unknown(&gate.actor_of(&session).await));

    let on = AccountChange { is_active: Some(true), ..AccountChange::default() };
    gate.access.change_user(gate.admin, (user.id, on), &Origin::default()).await.unwrap();
    assert!(gate.actor_of(lasting.token.expose()).await.is_ok());
    assert!(is_unknown(&gate.actor_of(&session).await), "a session that ended stays so");
    gate.access.delete_user(gate.admin, (user.id, None), &Origin::default()).await.unwrap();
    assert!(is_unknown(&gate.actor_of(lasting.token.expose()).await));
}

#[tokio::test]
async fn the_rate_of_a_key_holds_over_all_processes() {
    let gate = Gate::new().await;
    for (per_minute, burst) in [(60, 20), (5, 5), (6_000, 200)] {
        let wanted = NewKey { rate_limit_per_minute: Some(per_minute), ..new_key(&["*"]) };
        let issued = gate.access.create_key(gate.world.user, wanted, &Origin::default()).await.unwrap();
        let (key, from) = (Credential::Key(issued.token.expose()), origin("192.0.2.1"));
        let mut passed = 0;
        for turn in 0..1_000 {
            let process = if turn % 3 == 0 { &gate.elsewhere } else { &gate.access };
            match process.authenticate(key, &from).await {
                Ok(_) => passed += 1,
                Err(Error::RateLimited { limit, .. }) => assert_eq!(limit, per_minute),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(passed, burst, "{per_minute} a minute");
        gate.advance_ms(60_000);
        assert!(gate.access.authenticate(key, &from).await.is_ok(), "{per_minute} a minute, a minute later");
    }
}

#[tokio::test]
async fn the_use_of_keys_is_counted_when_it_is_told() {
    let gate = Gate::new().await;
    let issued = gate.key(gate.world.user, &["*"]).await.unwrap();
    for _ in 0..7 {
        gate.actor_of(issued.token.expose()).await.unwrap();
    }
    gate.access.flush().await.unwrap();
    gate.access.flush().await.unwrap();

    let used = gate.world.store.api_keys().get(issued.key.id).await.unwrap();
    assert_eq!((used.usage_count, used.last_used_at), (7, Some(gate.world.now())));
}

#[tokio::test]
async fn too_many_wrong_keys_are_too_many_and_a_right_one_still_passes() {
    let gate = Gate::new().await;
    let issued = gate.key(gate.world.user, &["*"]).await.unwrap();
    let from = origin("203.0.113.1");
    let mut refused = 0;
    for _ in 0..=limits::WRONG_CREDENTIALS_PER_MINUTE {
        match gate.access.authenticate(Credential::Key("tc_live_nonsense"), &from).await {
            Err(Error::Unauthenticated) => refused += 1,
            Err(Error::RateLimited { limit, .. }) => assert_eq!(limit, limits::WRONG_CREDENTIALS_PER_MINUTE),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, limits::WRONG_CREDENTIALS_PER_MINUTE);
    assert!(gate.access.authenticate(Credential::Key(issued.token.expose()), &from).await.is_ok());
}

#[tokio::test]
async fn nobody_degrades_or_deletes_the_own_account_and_a_lost_update_is_refused() {
    let gate = Gate::new().await;
    let user = gate.account("ada@example.com", UserRole::User).await;
    let degraded = AccountChange { role: Some(UserRole::User), ..AccountChange::default() };
    let own = gate.access.change_user(gate.admin, (gate.admin.id, degraded), &Origin::default()).await;
    assert!(matches!(own, Err(Error::Invalid(_))), "{own:?}");
    assert!(gate.access.delete_user(gate.admin, (gate.admin.id, None), &Origin::default()).await.is_err());
    let refused = gate.access.delete_user(Actor::from(&user), (gate.admin.id, None), &Origin::default()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");

    gate.advance_ms(1);
    let named = |name: &str, read_at| AccountChange {
        full_name: Some(name.to_owned()),
        read_at: Some(read_at),
        ..AccountChange::default()
    };
    let change = (user.id, named("Ada", user.updated_at));
    let changed = gate.access.change_user(gate.admin, change, &Origin::default()).await.unwrap();
    assert_eq!(changed.full_name.unwrap().as_str(), "Ada");
    let lost = gate.access.change_user(gate.admin, (user.id, named("Eve", user.updated_at)), &Origin::default()).await;
    assert!(matches!(lost, Err(Error::Storage(_))), "{lost:?}");
}
