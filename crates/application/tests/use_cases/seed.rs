//! Seeding.

use turbocat_application::{Argon2Hasher, Error, official_templates};
use turbocat_domain::{
    port::{PageRequest, Queries, TemplateFilter},
    template::Template,
    user::UserRole,
    value::Email,
};

use crate::world::World;

async fn templates(world: &World) -> Vec<Template> {
    let page = PageRequest { limit: 200, after: None };
    world.store.templates().list(&TemplateFilter::default(), page).await.unwrap().items
}

#[tokio::test]
async fn seeding_makes_the_first_account_and_the_official_templates_once() {
    let world = World::new().await;

    let first = world.use_cases.seed(None, &Argon2Hasher).await.unwrap();
    let second = world.use_cases.seed(None, &Argon2Hasher).await.unwrap();

    assert!(first.admin_created && !second.admin_created);
    assert_eq!(first.templates_created.len(), official_templates().len());
    assert!(second.templates_created.is_empty() && second.templates_updated.is_empty());
    let stored = templates(&world).await;
    assert_eq!(stored.len(), official_templates().len());
    assert!(stored.iter().all(|template| template.is_official && template.is_public));
    let scraper = stored.iter().find(|template| template.name.as_str() == "Web Scraper Agent").unwrap();
    assert_eq!(scraper.category.as_str(), "Data Collection");

    let email = Email::parse("admin@turbocat.dev").unwrap();
    let admin = world.store.users().find_by_email(&email).await.unwrap().unwrap();
    assert_eq!((admin.role, admin.email_verified), (UserRole::Admin, true));
    assert_eq!(admin.full_name.unwrap().as_str(), "Admin User");
    assert_eq!(admin.password_hash, None);
}

#[tokio::test]
async fn a_password_is_set_once_and_never_replaced() {
    let world = World::new().await;
    let email = Email::parse("admin@turbocat.dev").unwrap();
    let hash = async || world.store.users().find_by_email(&email).await.unwrap().unwrap().password_hash;

    let first = world.use_cases.seed(Some("correct horse"), &Argon2Hasher).await.unwrap();
    let before = hash().await.unwrap();
    let second = world.use_cases.seed(Some("another"), &Argon2Hasher).await.unwrap();

    assert!(first.password_set && !second.password_set);
    assert!(before.as_str().starts_with("$argon2id$"));
    assert_eq!(hash().await.unwrap(), before);
}

#[tokio::test]
async fn the_first_account_gets_no_password_that_everybody_guesses() {
    let world = World::new().await;
    for (password, code) in [("short", "invalid_password"), ("Password1", "common_password")] {
        let refused = world.use_cases.seed(Some(password), &Argon2Hasher).await;
        let Err(Error::Invalid(problems)) = refused else { panic!("{refused:?}") };
        assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [code]);
    }
    assert!(world.use_cases.administrator().await.unwrap().is_none(), "nothing was stored");
}

#[tokio::test]
async fn processes_that_seed_at_once_make_everything_once() {
    let world = World::new().await;
    let seed = || world.use_cases.seed(None, &Argon2Hasher);

    let (a, b, c) = tokio::join!(seed(), seed(), seed());

    let created = [a, b, c].map(|seeded| seeded.unwrap().templates_created.len());
    assert_eq!(created.iter().sum::<usize>(), official_templates().len());
    assert_eq!(templates(&world).await.len(), official_templates().len());
}
