//! The rules of names, keys, versions, steps, filters and the audit log.

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    agent::{Agent, AgentStatus, AgentType},
    api_key::ApiKey,
    id::{AgentId, UserId, WorkflowId},
    port::{
        AgentFilter, AuditLogFilter, IdGenerator, PageRequest, RepositoryError, Result, TemplateFilter, UserFilter,
        WorkflowFilter,
    },
    template::{Template, TemplateType},
    user::{User, UserRole},
    value::{Email, Search, SecretHash, Tag, Version},
    workflow::{Workflow, WorkflowStatus},
};

use super::{ContractStore, Scene};
use crate::{
    builder::{a_template, a_user, a_workflow, an_agent, an_api_key, an_audit_entry, steps_of},
    clock::epoch,
};

/// An e-mail address belongs to one user, however it is spelt and also when that one is deleted; it finds the user
/// until then.
pub async fn an_address_belongs_to_one_user(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let shouted = Email::parse(scene.user.email.as_str().to_uppercase()).unwrap();
    assert_eq!(store.users().find_by_email(&shouted).await.unwrap(), Some(scene.user.clone()));
    let namesake = User { email: shouted.clone(), ..a_user(&scene.ids) };

    let insert = async |user: &User| -> Result<()> {
        let mut uow = store.begin().await?;
        uow.users().insert(user).await?;
        uow.commit().await
    };
    assert!(matches!(insert(&namesake).await, Err(RepositoryError::AlreadyExists { .. })));
    let mut uow = store.begin().await.unwrap();
    uow.users().delete(scene.user.id, at(1)).await.unwrap();
    uow.commit().await.unwrap();
    assert!(matches!(insert(&namesake).await, Err(RepositoryError::AlreadyExists { .. })));
    assert_eq!(store.users().find_by_email(&shouted).await.unwrap(), None);
}

/// A name of an owner has one active version; drafts, other owners and deleted ones do not count.
pub async fn a_name_has_one_active_version(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let insert = async |agent: &Agent| -> Result<()> {
        let mut uow = store.begin().await?;
        uow.agents().insert(std::slice::from_ref(agent)).await?;
        uow.commit().await
    };
    let next = |status| Agent { status, ..scene.agent.next_version(AgentId::from_uuid(scene.ids.next()), at(1)) };
    let active = next(AgentStatus::Active);

    assert!(matches!(insert(&active).await, Err(RepositoryError::AlreadyExists { .. })));
    let mut draft = next(AgentStatus::Draft);
    insert(&draft).await.unwrap();
    draft.status = AgentStatus::Active;
    let mut uow = store.begin().await.unwrap();
    let published = uow.agents().save(&draft, at(2)).await;
    assert!(matches!(published, Err(RepositoryError::AlreadyExists { .. })), "{published:?}");
    drop(uow);

    let mut uow = store.begin().await.unwrap();
    uow.agents().delete(scene.agent.id, at(3)).await.unwrap();
    uow.agents().insert(std::slice::from_ref(&active)).await.unwrap();
    uow.commit().await.unwrap();
    let mut uow = store.begin().await.unwrap();
    let restored = uow.agents().restore(scene.agent.id, at(4)).await;
    assert!(matches!(restored, Err(RepositoryError::AlreadyExists { .. })), "{restored:?}");
}

/// The active version of a name is the owner's own, else a public one.
pub async fn the_active_version_is_the_own_before_a_public_one(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = a_user(&scene.ids);
    let named = |owner, is_public| Agent {
        name: scene.agent.name.clone(),
        is_public,
        ..an_agent(&scene.ids, owner, AgentType::Data)
    };
    let public = named(other.id, true);
    let name = scene.agent.name.as_str();
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&other).await.unwrap();
    uow.agents().insert(std::slice::from_ref(&public)).await.unwrap();
    uow.commit().await.unwrap();

    let found = async |owner| store.agents().find_active(owner, name).await.unwrap().map(|agent| agent.id);
    assert_eq!(found(scene.user.id).await, Some(scene.agent.id));
    assert_eq!(found(other.id).await, Some(public.id));
    assert_eq!(found(scene.nobody(UserId::from_uuid)).await, Some(public.id));
    assert_eq!(store.agents().find_active(other.id, "no such name").await.unwrap(), None);
    let workflow = scene.workflow.name.as_str();
    let own = store.workflows().find_active(scene.user.id, workflow).await.unwrap();
    assert_eq!(own, Some(scene.workflow.clone()));
    assert_eq!(store.workflows().find_active(other.id, workflow).await.unwrap(), None, "it is private");
}

/// Two who publish a name at once take turns: the second sees what the first has published.
pub async fn publishers_of_one_name_take_turns(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let name = scene.workflow.name.as_str();
    let publish = async || {
        let mut uow = store.begin().await.unwrap();
        let mut active = uow.workflows().lock_latest(scene.user.id, name).await.unwrap().unwrap();
        let id = WorkflowId::from_uuid(scene.ids.next());
        let next = active.next_version(id, at(1));
        let next = Workflow { status: WorkflowStatus::Active, ..next };
        active.status = WorkflowStatus::Inactive;
        uow.workflows().save(&active, at(1)).await.unwrap();
        uow.workflows().insert(&next, &[]).await.unwrap();
        uow.commit().await.unwrap();
        next.version.get()
    };
    let (one, two, three) = tokio::join!(publish(), publish(), publish());

    let mut versions = [one, two, three];
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4]);
    let active = store.workflows().find_active(scene.user.id, name).await.unwrap().unwrap();
    assert_eq!(active.version.get(), 4);
}

/// The latest version of a name is its owner's highest: a draft, a retired one and a deleted one are not passed over.
pub async fn the_latest_version_of_a_name_is_the_highest_whatever_became_of_it(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = a_user(&scene.ids);
    let theirs = Agent {
        name: scene.agent.name.clone(),
        version: Version::try_from(9).unwrap(),
        ..an_agent(&scene.ids, other.id, AgentType::Data)
    };
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&other).await.unwrap();
    uow.agents().insert(&[theirs]).await.unwrap();
    uow.commit().await.unwrap();
    let latest = async || {
        let mut uow = store.begin().await.unwrap();
        let agent = uow.agents().lock_latest(scene.user.id, scene.agent.name.as_str()).await.unwrap().unwrap();
        let workflow = uow.workflows().lock_latest(scene.user.id, scene.workflow.name.as_str()).await.unwrap().unwrap();
        assert_eq!(uow.agents().lock_latest(scene.user.id, "no such name").await.unwrap(), None);
        assert_eq!(uow.workflows().lock_latest(other.id, scene.workflow.name.as_str()).await.unwrap(), None);
        (agent, workflow)
    };
    assert_eq!(latest().await, (scene.agent.clone(), scene.workflow.clone()));

    let mut agent = scene.agent.next_version(AgentId::from_uuid(scene.ids.next()), at(1));
    let mut workflow = scene.workflow.next_version(WorkflowId::from_uuid(scene.ids.next()), at(1));
    let mut uow = store.begin().await.unwrap();
    uow.agents().insert(std::slice::from_ref(&agent)).await.unwrap();
    uow.workflows().insert(&workflow, &[]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(latest().await, (agent.clone(), workflow.clone()), "a draft");

    (agent.status, workflow.status) = (AgentStatus::Inactive, WorkflowStatus::Archived);
    let mut uow = store.begin().await.unwrap();
    uow.agents().save(&agent, at(2)).await.unwrap();
    uow.agents().delete(agent.id, at(3)).await.unwrap();
    uow.workflows().save(&workflow, at(2)).await.unwrap();
    uow.workflows().delete(workflow.id, at(3)).await.unwrap();
    uow.commit().await.unwrap();
    let deleted = latest().await;
    assert_eq!((deleted.0.id, deleted.0.status), (agent.id, AgentStatus::Inactive));
    assert_eq!((deleted.1.id, deleted.1.status), (workflow.id, WorkflowStatus::Archived));
    assert!(deleted.0.deleted_at.is_some() && deleted.1.deleted_at.is_some());
}

/// The hash of a key is its alone; it finds the key while that is active and not deleted.
pub async fn a_key_is_found_by_its_hash_while_it_can_be_used(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let mut key = an_api_key(&scene.ids, scene.user.id);
    let twin = ApiKey { key_hash: SecretHash::new(key.key_hash.as_str()), ..an_api_key(&scene.ids, scene.user.id) };
    let mut uow = store.begin().await.unwrap();
    uow.api_keys().insert(&key).await.unwrap();
    uow.commit().await.unwrap();
    let mut uow = store.begin().await.unwrap();
    let refused = uow.api_keys().insert(&twin).await;
    assert!(matches!(refused, Err(RepositoryError::AlreadyExists { .. })), "{refused:?}");
    drop(uow);

    let found = async || store.api_keys().find_by_hash(key.key_hash.as_str()).await.unwrap().map(|key| key.id);
    assert_eq!(found().await, Some(key.id));
    let mut uow = store.begin().await.unwrap();
    uow.api_keys().delete(key.id, at(1)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(found().await, None);
    let mut uow = store.begin().await.unwrap();
    uow.api_keys().restore(key.id, at(2)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(found().await, Some(key.id));

    key.is_active = false;
    key.updated_at = at(2);
    let mut uow = store.begin().await.unwrap();
    uow.api_keys().save(&key, at(3)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(store.api_keys().find_by_hash(key.key_hash.as_str()).await.unwrap(), None);
}

/// The steps of a workflow are read in their order, and replaced as a whole.
pub async fn steps_are_read_in_their_order_and_replaced(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    assert_eq!(store.workflows().steps(scene.workflow.id).await.unwrap(), scene.steps);

    let (workflow, mut steps) = a_workflow(&scene.ids, &scene.agent, &["a", "b", "c"]);
    let workflow = Workflow { status: WorkflowStatus::Draft, ..workflow };
    steps.reverse();
    let mut uow = store.begin().await.unwrap();
    uow.workflows().insert(&workflow, &steps).await.unwrap();
    uow.commit().await.unwrap();
    steps.reverse();
    assert_eq!(store.workflows().steps(workflow.id).await.unwrap(), steps);

    let fresh = steps_of(&scene.ids, &workflow, &scene.agent, &["b", "d"]);
    let mut uow = store.begin().await.unwrap();
    uow.workflows().replace_steps(workflow.id, &fresh).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(store.workflows().steps(workflow.id).await.unwrap(), fresh);
    assert_eq!(store.workflows().steps(scene.workflow.id).await.unwrap(), scene.steps, "those of others stay");

    let twice = steps_of(&scene.ids, &workflow, &scene.agent, &["same", "same"]);
    let mut uow = store.begin().await.unwrap();
    let refused = uow.workflows().replace_steps(workflow.id, &twice).await;
    assert!(matches!(refused, Err(RepositoryError::AlreadyExists { .. })), "{refused:?}");
}

/// A filter of a list lets through what it names: owner, what is public, type, status, tag, role, what is deleted.
pub async fn filters_let_through_what_they_name(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let admin = User { role: UserRole::Admin, ..a_user(&scene.ids) };
    let tag = Tag::parse("web").unwrap();
    let own = &scene.agent;
    let public = Agent { is_public: true, tags: vec![tag.clone()], ..an_agent(&scene.ids, admin.id, AgentType::Api) };
    let draft = Agent { status: AgentStatus::Draft, ..an_agent(&scene.ids, admin.id, AgentType::Api) };
    let gone = an_agent(&scene.ids, admin.id, AgentType::Code);
    let mut uow = store.begin().await.unwrap();
    uow.users().insert(&admin).await.unwrap();
    uow.agents().insert(&[public.clone(), draft.clone(), gone.clone()]).await.unwrap();
    uow.agents().delete(gone.id, at(1)).await.unwrap();
    uow.commit().await.unwrap();

    let all = AgentFilter::default();
    let mine = AgentFilter { owner: Some(scene.user.id), ..all.clone() };
    for (filter, mut expected) in [
        (all.clone(), vec![own.id, public.id, draft.id]),
        (AgentFilter { with_deleted: true, ..all.clone() }, vec![own.id, public.id, draft.id, gone.id]),
        (mine.clone(), vec![own.id]),
        (AgentFilter { public_too: true, ..mine }, vec![own.id, public.id]),
        (AgentFilter { kind: Some(AgentType::Api), ..all.clone() }, vec![public.id, draft.id]),
        (AgentFilter { status: Some(AgentStatus::Draft), ..all.clone() }, vec![draft.id]),
        (AgentFilter { tag: Some(tag), ..all }, vec![public.id]),
    ] {
        let page = store.agents().list(&filter, PageRequest::default()).await.unwrap();
        let mut listed: Vec<AgentId> = page.items.iter().map(|agent| agent.id).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected, "{filter:?}");
    }
    let search = Some(Search::parse(admin.email.as_str()).unwrap());
    let by_address = UserFilter { search, active: Some(true), ..UserFilter::default() };
    let found = store.users().list(&by_address, PageRequest::default()).await.unwrap().items;
    assert_eq!(found, std::slice::from_ref(&admin));
    let off = UserFilter { active: Some(false), ..by_address };
    assert_eq!(store.users().list(&off, PageRequest::default()).await.unwrap().items, []);
    let admins = UserFilter { role: Some(UserRole::Admin), ..UserFilter::default() };
    assert_eq!(store.users().list(&admins, PageRequest::default()).await.unwrap().items, [admin]);
    let drafts = WorkflowFilter { status: Some(WorkflowStatus::Draft), ..WorkflowFilter::default() };
    assert_eq!(store.workflows().list(&drafts, PageRequest::default()).await.unwrap().items, []);
}

/// Templates are filtered by shelf, type, origin and who may see them; an official one is found by its name.
pub async fn templates_are_found_by_what_they_are(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let official = Template { is_official: true, is_public: true, ..a_template(&scene.ids) };
    let own = Template { user_id: Some(scene.user.id), ..a_template(&scene.ids) };
    let step = Template { kind: TemplateType::Step, name: official.name.clone(), ..a_template(&scene.ids) };
    let mut uow = store.begin().await.unwrap();
    uow.templates().insert(&[official.clone(), own.clone(), step.clone()]).await.unwrap();
    uow.commit().await.unwrap();

    let all = TemplateFilter::default();
    for (filter, expected) in [
        (all.clone(), 3),
        (TemplateFilter { kind: Some(TemplateType::Step), ..all.clone() }, 1),
        (TemplateFilter { official_only: true, ..all.clone() }, 1),
        (TemplateFilter { visible_to: Some(scene.user.id), ..all.clone() }, 2),
        (TemplateFilter { visible_to: Some(scene.nobody(UserId::from_uuid)), ..all.clone() }, 1),
        (TemplateFilter { category: Some("Tests".to_owned()), ..all.clone() }, 3),
        (TemplateFilter { category: Some("Other".to_owned()), ..all }, 0),
    ] {
        let page = store.templates().list(&filter, PageRequest::default()).await.unwrap();
        assert_eq!(page.items.len(), expected, "{filter:?}");
    }
    // What is deleted is shown to nobody but its owner, public or not.
    let gone = Template { user_id: Some(scene.user.id), is_public: true, ..a_template(&scene.ids) };
    let mut uow = store.begin().await.unwrap();
    uow.templates().insert(std::slice::from_ref(&gone)).await.unwrap();
    uow.templates().delete(gone.id, gone.updated_at).await.unwrap();
    uow.commit().await.unwrap();
    for (user, is_shown) in [(scene.user.id, true), (scene.nobody(UserId::from_uuid), false)] {
        let filter = TemplateFilter { visible_to: Some(user), with_deleted: true, ..TemplateFilter::default() };
        let page = store.templates().list(&filter, PageRequest::default()).await.unwrap();
        assert_eq!(page.items.iter().any(|template| template.id == gone.id), is_shown);
    }
    let found = store.templates().find_official(official.name.as_str()).await.unwrap();
    assert_eq!(found, Some(official));
    assert_eq!(store.templates().find_official(own.name.as_str()).await.unwrap(), None);
}

/// What is appended to the audit log is read newest first, by who, what and about which.
pub async fn the_audit_log_is_read_by_who_what_and_about_which(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let created = an_audit_entry(&scene.ids, Some(scene.user.id), "workflow.created");
    let published = turbocat_domain::audit_log::AuditLog {
        resource_id: created.resource_id,
        changes: serde_json::json!({ "status": ["draft", "active"] }),
        ip_address: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("test".to_owned()),
        created_at: at(1),
        ..an_audit_entry(&scene.ids, None, "workflow.published")
    };
    let mut uow = store.begin().await.unwrap();
    uow.audit_logs().append(&[created.clone(), published.clone()]).await.unwrap();
    uow.commit().await.unwrap();

    let all = AuditLogFilter::default();
    for (filter, expected) in [
        (all.clone(), vec![published.clone(), created.clone()]),
        (AuditLogFilter { user: Some(scene.user.id), ..all.clone() }, vec![created.clone()]),
        (AuditLogFilter { action: Some("workflow.published".to_owned()), ..all.clone() }, vec![published.clone()]),
        (AuditLogFilter { resource_type: Some("agent".to_owned()), ..all.clone() }, vec![]),
        (AuditLogFilter { resource_id: created.resource_id, ..all }, vec![published, created]),
    ] {
        let page = store.audit_logs().list(&filter, PageRequest::default()).await.unwrap();
        assert_eq!(page.items, expected, "{filter:?}");
    }
}

/// So many seconds after everything in the scene was made.
fn at(seconds: i64) -> DateTime<Utc> {
    epoch() + TimeDelta::seconds(seconds)
}
