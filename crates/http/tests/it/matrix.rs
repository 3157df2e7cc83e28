//! Every route, asked by everybody who might ask, for everything that a path may name.
//!
//! What must be answered is written down here once more, apart from the table that the product decides by.

use std::collections::BTreeMap;

use serde_json::json;
use turbocat_application::{
    AccountChange, Actor, DeploymentChange, DeploymentContent, DeploymentSettings, DeploymentSource, LogIn, NewBudget,
    NewSecret, Origin, Selector, Standing, TemplateContent,
};
use turbocat_domain::{
    budget::{BudgetPeriod, BudgetScope, BudgetUnit},
    deployment::Environment,
    id::{BudgetId, DeploymentId, ExecutionId},
    port::{AgentFilter, DeploymentFilter, ExecutionFilter, PageRequest, Queries, TemplateFilter, WorkflowFilter},
    template::TemplateType,
    user::UserRole,
};
use turbocat_http::{Needs, Route, routes};

use crate::{
    bodies::body,
    world::{Answer, Ask, HELLO, PASSWORD, World, nobody},
};

/// A workflow that waits for people, and one that starts by itself.
const ASKING: &str = "
name: asking
steps: [{ key: ask, type: wait, config: { approval: {} } }]
";
const TIMED: &str = "
name: timed
triggers: { schedule: { cron: '@daily' } }
steps: [{ key: pause, type: wait, config: { duration_ms: 1 } }]
";

/// Settings that make a second revision.
fn a_timeout() -> DeploymentSettings {
    DeploymentSettings { config: Some(json!({ "timeout_ms": 60_000 })), ..DeploymentSettings::default() }
}

/// A budget of an actor's.
async fn a_budget(world: &World, actor: Actor) -> BudgetId {
    let budget = NewBudget {
        scope: BudgetScope::Agent("hello".parse().unwrap()),
        unit: BudgetUnit::Tokens,
        period: BudgetPeriod::Total,
        amount: 7,
        owner: None,
    };
    world.state.use_cases.set_budget(actor, budget).await.unwrap().budget.id
}

/// A deployment of an actor's, which runs.
async fn a_deployment(world: &World, actor: Actor) -> DeploymentId {
    let deployment = DeploymentContent {
        name: "the owner's".to_owned(),
        description: None,
        environment: Environment::Staging,
        source: DeploymentSource::Workflow(Selector::Name("hello".to_owned())),
        settings: DeploymentSettings::default(),
    };
    let (deployment, _) = world.state.use_cases.create_deployment((actor, None), deployment).await.unwrap();
    let change = DeploymentChange { settings: a_timeout(), source: None, ..DeploymentChange::default() };
    world.state.use_cases.change_deployment(actor, deployment.id, change).await.unwrap();
    world.state.use_cases.set_deployment(actor, deployment.id, Standing::Running).await.unwrap();
    deployment.id
}

/// An execution of the owner's that waits for an approval.
pub(crate) async fn ask_somebody(world: &World) -> ExecutionId {
    world.publish(&world.owner, ASKING).await;
    let id = world.start(&world.owner, "asking").await;
    world.park(id, "ask").await;
    id
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    Anonymous,
    Garbage,
    Owner,
    Other,
    Admin,
    RevokedKey,
    ExpiredKey,
    WrongScope,
    SwitchedOff,
    Deleted,
    Service,
    EndedSession,
}

const ASKERS: [Asker; 12] = [
    Asker::Anonymous,
    Asker::Garbage,
    Asker::Owner,
    Asker::Other,
    Asker::Admin,
    Asker::RevokedKey,
    Asker::ExpiredKey,
    Asker::WrongScope,
    Asker::SwitchedOff,
    Asker::Deleted,
    Asker::Service,
    Asker::EndedSession,
];

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The owner's.
    Owners,
    /// Nothing.
    Nothing,
    /// Something of another kind.
    OtherKind,
    /// No id at all.
    NoId,
}

const TARGETS: [Target; 4] = [Target::Owners, Target::Nothing, Target::OtherKind, Target::NoId];

/// What a service account may do. Everything else it may not.
const OF_SERVICES: [&str; 13] = [
    "account:read",
    "agents:read",
    "budgets:read",
    "deployments:read",
    "events:send",
    "executions:cancel",
    "executions:pause",
    "executions:read",
    "executions:start",
    "schedules:read",
    "templates:read",
    "usage:read",
    "workflows:read",
];

/// What the key may do that may do nothing else.
const SCOPE: &str = "approvals:decide";

/// What only administrators may do.
const OF_ADMINISTRATORS: [&str; 2] = ["users:read", "users:write"];

/// A world with the owner's things.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// The ids of the owner's things, by the part of the path that says of which kind they are.
    ids: BTreeMap<&'static str, String>,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let world = World::new().await;
        let report = world.publish(&world.owner, HELLO).await;
        let id = |place: usize| report["published"][place]["id"].as_str().unwrap().to_owned();
        let execution = world.start(&world.owner, "hello").await;
        world.key_with(&world.owner, &["*"], |key| "the owner's".clone_into(&mut key.name)).await;
        let actor = Actor::from(&world.owner);
        let key = world.state.access.keys(actor, None, PageRequest::default()).await.unwrap().items[0].id;
        let secret = NewSecret {
            name: "OWNERS".to_owned(),
            value: "the-owners-value".to_owned(),
            hosts: Vec::new(),
            owner: None,
        };
        let secret = world.state.access.set_secret(actor, secret, &Origin::default()).await.unwrap();
        let login = LogIn { email: world.owner.email.to_string(), password: PASSWORD.to_owned() };
        let session = world.state.access.log_in(login, &Origin::default()).await.unwrap().session.id;
        let template = TemplateContent {
            name: "the owner's".to_owned(),
            description: None,
            category: "Tests".to_owned(),
            kind: TemplateType::Step,
            template_data: json!({ "key": "a", "type": "wait", "config": { "duration_ms": 1 } }),
            tags: Vec::new(),
            is_public: false,
        };
        let template = world.state.use_cases.create_template(actor, template).await.unwrap().id;
        let budget = a_budget(&world, actor).await;
        let deployment = a_deployment(&world, actor).await;
        let asking = ask_somebody(&world).await;
        let timed = world.publish(&world.owner, TIMED).await;
        let timed = timed["published"][0]["id"].as_str().unwrap();
        let ids = BTreeMap::from([
            ("approvals", asking.to_string()),
            ("schedules", timed.to_owned()),
            // It takes no webhooks, and what is not signed learns nothing of that.
            ("hooks", id(1)),
            ("agents", id(0)),
            ("workflows", id(1)),
            ("executions", execution.to_string()),
            ("deployments", deployment.to_string()),
            // It has no key, and who brings none learns nothing of that.
            ("endpoints", deployment.to_string()),
            ("api-keys", key.to_string()),
            ("budgets", budget.to_string()),
            ("secrets", secret.id.to_string()),
            ("templates", template.to_string()),
            ("sessions", session.to_string()),
            ("users", world.owner.id.to_string()),
        ]);
        Self { world, ids }
    }

    /// The token of another session of the owner's.
    pub(crate) async fn session_of_owner(&self) -> String {
        let login = LogIn { email: self.world.owner.email.to_string(), password: PASSWORD.to_owned() };
        self.world.state.access.log_in(login, &Origin::default()).await.unwrap().token.expose().to_owned()
    }

    /// The credential of who asks; nothing for nobody.
    async fn credential(&self, asker: Asker) -> Option<String> {
        let world = &self.world;
        let everything = &["*"];
        Some(match asker {
            Asker::Anonymous => return None,
            Asker::Garbage => "tc_live_nonsense".to_owned(),
            Asker::Owner => world.key(&world.owner, everything).await,
            Asker::Other => world.key(&world.other, everything).await,
            Asker::Admin => world.key(&world.admin, everything).await,
            Asker::WrongScope => world.key(&world.owner, &[SCOPE]).await,
            Asker::RevokedKey => {
                let key = world.key(&world.owner, everything).await;
                let actor = Actor::from(&world.owner);
                let keys = world.state.access.keys(actor, None, PageRequest::default()).await.unwrap().items;
                let stored = keys.iter().find(|stored| key.starts_with(&stored.key_prefix)).unwrap();
                world.state.access.revoke_key(actor, stored.id, &Origin::default()).await.unwrap();
                key
            }
            Asker::ExpiredKey => {
                let end = world.now() + chrono::TimeDelta::seconds(1);
                let key = world.key_with(&world.owner, everything, |key| key.expires_at = Some(end)).await;
                world.store.clock().advance_ms(1_000);
                key
            }
            Asker::SwitchedOff => {
                let user = world.account("off@example.com", UserRole::User).await;
                let key = world.key(&user, everything).await;
                let off = AccountChange { is_active: Some(false), ..AccountChange::default() };
                let admin = Actor::from(&world.admin);
                world.state.access.change_user(admin, (user.id, off), &Origin::default()).await.unwrap();
                key
            }
            Asker::Deleted => {
                let user = world.account("gone@example.com", UserRole::User).await;
                let key = world.key(&user, everything).await;
                world
                    .state
                    .access
                    .delete_user(Actor::from(&world.admin), (user.id, None), &Origin::default())
                    .await
                    .unwrap();
                key
            }
            Asker::Service => {
                let user = world.account("bot@example.com", UserRole::Agent).await;
                world.key(&user, everything).await
            }
            Asker::EndedSession => {
                let login = LogIn { email: world.owner.email.to_string(), password: PASSWORD.to_owned() };
                let begun = world.state.access.log_in(login, &Origin::default()).await.unwrap();
                let actor = Actor::from(&world.owner);
                world.state.access.end_session(actor, begun.session.id, &Origin::default()).await.unwrap();
                begun.token.expose().to_owned()
            }
        })
    }

    /// The path of a route, with what it names put in.
    pub(crate) fn path(&self, route: &Route, target: Target) -> String {
        if !route.path.contains('{') {
            return route.path.clone();
        }
        let kind = kind(route);
        let id = match target {
            Target::Owners => self.ids[kind].clone(),
            Target::Nothing => nobody(),
            Target::OtherKind => self.ids[if kind == "users" { "workflows" } else { "users" }].clone(),
            Target::NoId => "..%2F..%2Fetc%27%20OR%201=1".to_owned(),
        };
        let path = route.path.replace("{id}", &id);
        assert!(!path.contains('{'), "{path}: the matrix does not know what to put in");
        path
    }

    async fn ask(&self, route: &Route, target: Target, credential: Option<&str>) -> Answer {
        let path = self.path(route, target);
        // A stream that is let through goes on: its place behind the end closes it at once.
        let headers: &[(&str, &str)] = if path.ends_with("/events") { &[("last-event-id", "end")] } else { &[] };
        let body = body(route);
        let ask = Ask { method: route.method, path: &path, key: credential, headers, body, ..Ask::default() };
        self.world.send(ask).await
    }

    /// What the owner has, to see whether somebody has changed it.
    async fn state(&self) -> String {
        let queries = &self.world.store;
        let (all, actor) = (PageRequest { limit: 200, after: None }, Actor::from(&self.world.owner));
        let workflows = queries.workflows().list(&WorkflowFilter::default(), all).await.unwrap().items;
        let agents = queries.agents().list(&AgentFilter::default(), all).await.unwrap().items;
        let executions = queries.executions().list(&ExecutionFilter::default(), all).await.unwrap().items;
        let templates = queries.templates().list(&TemplateFilter::default(), all).await.unwrap().items;
        let templates: Vec<_> = templates.iter().filter(|template| template.name.as_str() == "the owner's").collect();
        let deployments = queries.deployments().list(&DeploymentFilter::default(), all).await.unwrap().items;
        let deployments: Vec<_> =
            deployments.iter().map(|one| (one.id, one.updated_at, one.revision, one.health_status)).collect();
        let keys = self.world.state.access.keys(actor, None, all).await.unwrap().items;
        let keys: Vec<_> = keys.iter().filter(|key| key.name.as_str() == "the owner's").collect();
        let session = queries.sessions().get(self.ids["sessions"].parse().unwrap()).await.unwrap();
        let owner =
            queries.users().get(self.world.owner.id).await.map(|user| (user.role, user.is_active, user.full_name));
        let secrets = self.world.state.access.secrets(actor, None, ("", 50)).await.unwrap();
        let secrets: Vec<_> = secrets.iter().filter(|secret| secret.name.as_str() == "OWNERS").collect();
        let budget = self.world.state.use_cases.budget(actor, self.ids["budgets"].parse().unwrap()).await.unwrap();
        format!(
            "{budget:?} {deployments:?} {templates:?} {secrets:?} {workflows:?} {agents:?} {executions:?} {keys:?} {session:?} {owner:?}"
        )
    }
}

/// The part of the path that says of which kind what it names is.
fn kind(route: &Route) -> &str {
    route.path.strip_prefix("/api/v1/").unwrap().split('/').next().unwrap()
}

/// What must be answered: a status, or nothing where it depends on how things stand, but must not be 401 or 403.
fn expected(route: &Route, asker: Asker, target: Target) -> Option<u16> {
    let permission = match route.needs {
        Needs::Nothing => {
            let is_id = matches!(target, Target::Owners | Target::Nothing);
            return match route.path.as_str() {
                "/api/v1/sessions" => Some(401),
                // Nobody learns whether there is such an account.
                "/api/v1/password-resets" => Some(202),
                "/api/v1/password-resets/confirm" | "/api/v1/email-verifications/confirm" => Some(422),
                "/api/v1/hooks/{id}" | "/api/v1/endpoints/{id}" => Some(if is_id { 401 } else { 404 }),
                _ => None,
            };
        }
        Needs::Account => None,
        Needs::Permission(permission) => Some(permission.as_str()),
    };
    let role_allows = |permission: &str| match asker {
        Asker::Admin => true,
        Asker::Service => OF_SERVICES.contains(&permission),
        _ => !OF_ADMINISTRATORS.contains(&permission),
    };
    match asker {
        Asker::Anonymous
        | Asker::Garbage
        | Asker::RevokedKey
        | Asker::ExpiredKey
        | Asker::SwitchedOff
        | Asker::Deleted
        | Asker::EndedSession => return Some(401),
        Asker::WrongScope if permission.is_some_and(|permission| permission != SCOPE) => return Some(403),
        _ => {}
    }
    if permission.is_some_and(|permission| !role_allows(permission)) {
        return Some(403);
    }
    if !route.path.contains("{id}") {
        return None;
    }
    let is_theirs = match asker {
        Asker::Owner | Asker::WrongScope => true,
        // Nobody ends the session of somebody else, nor decides what somebody else is asked.
        Asker::Admin => !["sessions", "approvals"].contains(&kind(route)),
        _ => false,
    };
    // Nothing of the owner's is deleted, so nothing is restored.
    let is_there = target == Target::Owners && is_theirs && !route.path.ends_with("/restore");
    if is_there { None } else { Some(404) }
}

#[tokio::test]
async fn nobody_gets_what_is_not_theirs() {
    let listed = routes(World::new().await.state);
    let (mut asked, mut refused, mut wrong) = (0, BTreeMap::<u16, u32>::new(), Vec::new());
    for route in &listed {
        let targets = if route.path.contains("{id}") { &TARGETS[..] } else { &TARGETS[..1] };
        for asker in ASKERS {
            for target in targets {
                let scene = Scene::set().await;
                let credential = scene.credential(asker).await;
                let before = scene.state().await;
                let answer = scene.ask(route, *target, credential.as_deref()).await;
                let status = answer.status.as_u16();
                asked += 1;
                let case =
                    format!("{} {} by {asker:?} for {target:?}: {status} {}", route.method, route.path, answer.text);
                match expected(route, asker, *target) {
                    Some(expected) => {
                        if status != expected {
                            wrong.push(format!("{case}, not {expected}"));
                        }
                        if scene.state().await != before {
                            wrong.push(format!("{case}: it was refused and changed something"));
                        }
                        *refused.entry(status).or_default() += 1;
                    }
                    None if status == 401 || status == 403 || status >= 500 => wrong.push(case),
                    // Nobody rates what is their own.
                    None if asker == Asker::Owner && route.path.ends_with("/rating") && status == 422 => {}
                    None if asker == Asker::Owner && status >= 300 => wrong.push(case),
                    None => {}
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} routes, {} who ask, {asked} requests; refused: {refused:?}", listed.len(), ASKERS.len());
    assert!(asked > 1_000 && refused[&401] > 500 && refused[&403] > 50 && refused[&404] > 100, "{refused:?}");
}

#[tokio::test]
async fn what_a_body_or_a_query_names_is_not_theirs_either() {
    let scene = Scene::set().await;
    let (world, ids) = (&scene.world, &scene.ids);
    for (asker, executions) in [(Asker::Other, 0), (Asker::Service, 0), (Asker::Owner, 1), (Asker::Admin, 1)] {
        let key = scene.credential(asker).await.unwrap();
        let is_refused = matches!(asker, Asker::Other | Asker::Service);
        for body in [json!({ "workflow_id": ids["workflows"] }), json!({ "workflow": "hello" })] {
            let answer = world.post(&key, "/api/v1/executions", body).await;
            // An administrator sees a private workflow, and does not run it as their own.
            let expected = if asker == Asker::Owner { 202 } else { 404 };
            assert_eq!(answer.status.as_u16(), expected, "{asker:?}: {}", answer.text);
        }
        let listed = world.get(&key, &format!("/api/v1/executions?workflow_id={}", ids["workflows"])).await.expect(200);
        let count = listed["items"].as_array().unwrap().len();
        assert!(if executions == 0 { count == 0 } else { count >= executions }, "{asker:?}: {count}");
        let children = format!("/api/v1/executions?parent_id={}", ids["executions"]);
        assert_eq!(world.get(&key, &children).await.expect(200)["items"], json!([]));
        if asker == Asker::Service {
            continue;
        }
        let keys = world.get(&key, &format!("/api/v1/api-keys?user_id={}", ids["users"])).await;
        assert_eq!(keys.status.as_u16(), if is_refused { 404 } else { 200 }, "{asker:?}: {}", keys.text);
        let wanted = json!({ "name": "theirs", "scopes": ["*"], "user_id": ids["users"] });
        let made = world.post(&key, "/api/v1/api-keys", wanted).await;
        assert_eq!(made.status.as_u16(), if is_refused { 404 } else { 201 }, "{asker:?}: {}", made.text);
        for path in ["/api/v1/workflows", "/api/v1/agents"] {
            let listed = world.get(&key, &format!("{path}?public=true&deleted=true")).await.expect(200);
            let is_empty = listed["items"].as_array().unwrap().is_empty();
            assert_eq!(is_empty, is_refused, "{asker:?} {path}");
        }
    }
}
