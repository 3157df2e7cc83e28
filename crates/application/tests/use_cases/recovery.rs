//! Tokens by mail: who is sent one, and what it does.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use async_trait::async_trait;
use turbocat_application::{
    Access, AccessPorts, Actor, Argon2Hasher, Error, LogIn, Match, NewAccount, NoRandomness, Origin, PasswordError,
    Passwords, Result, SecretSource,
};
use turbocat_domain::{
    port::{Mail, Queries, Store},
    user::{User, UserRole},
    value::{Email, SecretHash},
};
use turbocat_testkit::mail::Mailbox;

use crate::world::World;

const OLD: &str = "correct horse";
const NEW: &str = "another correct horse";

/// A hash that is the password.
struct Plain;

#[async_trait]
impl Passwords for Plain {
    async fn hash(&self, password: String) -> std::result::Result<SecretHash, PasswordError> {
        Ok(SecretHash::new(password))
    }

    async fn compare(&self, password: String, hash: Option<SecretHash>) -> std::result::Result<Match, PasswordError> {
        let is_right = hash.is_some_and(|hash| hash.as_str() == password);
        Ok(if is_right { Match::Right } else { Match::Wrong })
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

struct Desk {
    world: World,
    access: Access,
    mailbox: Arc<Mailbox>,
    admin: Actor,
}

impl Desk {
    async fn new() -> Self {
        let (world, mailbox) = (World::new().await, Arc::new(Mailbox::default()));
        let admin = world.another(UserRole::Admin).await;
        let ports = AccessPorts {
            limiter: Arc::new(world.store.clone()),
            ledger: Arc::new(world.store.clone()),
            passwords: Arc::new(Plain),
            secrets: Arc::new(Counting::default()),
            cipher: Arc::new(turbocat_testkit::cipher::PlainCipher::default()),
            mailer: Arc::clone(&mailbox) as _,
            public_url: "https://cat.example".to_owned(),
        };
        let access = Access::new(world.use_cases.clone(), ports);
        Self { world, access, mailbox, admin }
    }

    async fn account(&self, email: &str, password: Option<&str>) -> User {
        let password = password.map(str::to_owned);
        let wanted = NewAccount { email: email.to_owned(), full_name: None, role: UserRole::User, password };
        self.access.create_user(self.admin, wanted, &Origin::default()).await.unwrap()
    }

    async fn reset(&self, email: &str) -> Option<Mail> {
        self.access.issue_password_reset(email, &Origin::default()).await.unwrap()
    }

    async fn confirm(&self, mail: &Mail, password: &str) -> Result<Mail> {
        let token = mail.text.split_whitespace().find(|word| word.starts_with("tc_")).unwrap();
        self.access.confirm_password_reset((token, password.to_owned()), &Origin::default()).await
    }

    async fn logs_in(&self, email: &str, password: &str) -> bool {
        let login = LogIn { email: email.to_owned(), password: password.to_owned() };
        self.access.log_in(login, &Origin::default()).await.is_ok()
    }

    async fn save(&self, user: &User) {
        let mut uow = self.world.store.begin().await.unwrap();
        uow.users().save(user, self.world.now()).await.unwrap();
        uow.commit().await.unwrap();
    }
}

/// Whether a token was refused, without saying why.
fn is_unusable<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Invalid(problems)) if problems.iter().all(|problem| problem.code == "invalid_token"))
}

#[tokio::test]
async fn the_first_account_and_one_without_a_password_are_written_to_never() {
    let desk = Desk::new().await;
    desk.account("keys@example.com", None).await;
    desk.world.use_cases.seed(Some(OLD), &Argon2Hasher).await.unwrap();
    desk.account("ada@example.com", Some(OLD)).await;

    assert_eq!(desk.reset("admin@turbocat.dev").await, None, "its mail is read by nobody here");
    assert_eq!(desk.reset("keys@example.com").await, None);
    assert!(desk.reset("ada@example.com").await.is_some());
}

#[tokio::test]
async fn of_many_who_use_a_mail_at_once_one_sets_the_password() {
    let desk = Desk::new().await;
    desk.account("ada@example.com", Some(OLD)).await;
    let (first, second) = (desk.reset("ada@example.com").await.unwrap(), desk.reset("ada@example.com").await.unwrap());
    let passwords = ["one correct horse", "two correct horses", "three correct horses", "four correct horses"];
    let (a, b, c, d) = tokio::join!(
        desk.confirm(&first, passwords[0]),
        desk.confirm(&second, passwords[1]),
        desk.confirm(&first, passwords[2]),
        desk.confirm(&second, passwords[3])
    );
    let all = [a, b, c, d];
    assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 1, "{all:?}");
    assert!(all.iter().all(|result| result.is_ok() || is_unusable(result)), "{all:?}");
    for (password, result) in passwords.into_iter().zip(&all) {
        assert_eq!(desk.logs_in("ada@example.com", password).await, result.is_ok(), "{password}");
    }
}

#[tokio::test]
async fn a_password_that_is_refused_leaves_the_token_as_it_is() {
    let desk = Desk::new().await;
    desk.account("ada@example.com", Some(OLD)).await;
    let mail = desk.reset("ada@example.com").await.unwrap();
    for refused in ["short", "password", &"x".repeat(257)] {
        let result = desk.confirm(&mail, refused).await;
        assert!(matches!(&result, Err(Error::Invalid(_))) && !is_unusable(&result), "{result:?}");
    }

    let told = desk.confirm(&mail, NEW).await.unwrap();
    desk.access.deliver(told).await;
    assert_eq!(desk.mailbox.take().len(), 1);
    assert!(desk.logs_in("ada@example.com", NEW).await && !desk.logs_in("ada@example.com", OLD).await);
}

/// What becomes of an account.
type Change = fn(&mut User);

#[tokio::test]
async fn a_token_is_worth_nothing_once_its_account_is_another() {
    let desk = Desk::new().await;
    let changes: [(&str, Change); 4] = [
        ("off@example.com", |user| user.is_active = false),
        ("moved@example.com", |user| user.change_email(Email::parse("elsewhere@example.com").unwrap())),
        ("bot@example.com", |user| user.role = UserRole::Agent),
        ("gone@example.com", |user| user.password_hash = None),
    ];
    for (email, change) in changes {
        let user = desk.account(email, Some(OLD)).await;
        let reset = desk.reset(email).await.unwrap();
        let verification = desk.access.issue_email_verification(Actor::from(&user), &Origin::default()).await.unwrap();
        let mut user = desk.world.store.users().get(user.id).await.unwrap();
        change(&mut user);
        desk.save(&user).await;

        assert!(is_unusable(&desk.confirm(&reset, NEW).await), "{email}");
        if user.can_act() && user.email.as_str() == email {
            continue;
        }
        let token = verification.text.split_whitespace().find(|word| word.starts_with("tc_")).unwrap();
        let proven = desk.access.confirm_email_verification(token, &Origin::default()).await;
        assert!(is_unusable(&proven), "{email}: {proven:?}");
    }
}

#[tokio::test]
async fn what_is_kept_of_a_token_opens_nothing() {
    let desk = Desk::new().await;
    let user = desk.account("ada@example.com", Some(OLD)).await;
    let mail = desk.reset("ada@example.com").await.unwrap();
    let token = mail.text.split_whitespace().find(|word| word.starts_with("tc_")).unwrap();
    let found = desk.world.store.user_tokens();
    let purpose = turbocat_domain::user_token::TokenPurpose::PasswordReset;
    assert_eq!(found.find_usable(purpose, token).await.unwrap(), None, "the token is not what is stored");

    let login = LogIn { email: "ada@example.com".to_owned(), password: token.to_owned() };
    assert!(desk.access.log_in(login, &Origin::default()).await.is_err());
    for credential in [turbocat_application::Credential::Key(token), turbocat_application::Credential::Session(token)] {
        assert!(desk.access.authenticate(credential, &Origin::default()).await.is_err(), "it is no credential");
    }
    assert_eq!(desk.world.store.users().get(user.id).await.unwrap().password_hash, user.password_hash);
}
