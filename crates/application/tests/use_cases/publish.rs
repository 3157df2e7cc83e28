//! Publishing.

use chrono::TimeDelta;
use serde_json::json;
use turbocat_application::PublishReport;
use turbocat_domain::{
    agent::{Agent, AgentStatus},
    id::{AgentId, WorkflowId},
    port::{ExecutionQueue, IdGenerator, Queries, Store},
    user::UserRole,
    workflow::{Workflow, WorkflowStatus},
};

use crate::world::{World, told};

const COUNT: &str = "
name: count
input: { type: object }
steps:
  - { key: words, type: agent, agent: counter }
---
{ kind: agent, name: counter, type: data, config: { program: length } }
";

/// The agent and the workflow of [`COUNT`], as they were published.
fn ids(report: &PublishReport) -> (AgentId, WorkflowId) {
    let [agent, workflow] = report.published.as_slice() else { panic!("{report:?}") };
    (AgentId::from_uuid(agent.id), WorkflowId::from_uuid(workflow.id))
}

#[tokio::test]
async fn a_workflow_and_its_agents_are_published_together_and_audited() {
    let world = World::new().await;

    let report = world.publish(COUNT).await.unwrap();

    assert_eq!(told(&report), ["agent counter: created 1", "workflow count: created 1"]);
    let id = WorkflowId::from_uuid(report.published[1].id);
    let workflow = world.store.workflows().get(id).await.unwrap();
    assert_eq!((workflow.status, workflow.user_id), (WorkflowStatus::Active, world.user.id));
    let steps = world.store.workflows().steps(id).await.unwrap();
    assert_eq!(steps[0].agent_id.map(AgentId::as_uuid), Some(report.published[0].id));
    assert_eq!(world.audited().await, ["agent.published", "workflow.published"]);
}

#[tokio::test]
async fn publishing_the_same_again_changes_nothing() {
    let world = World::new().await;
    let first = world.publish(COUNT).await.unwrap();

    // The order of keys, comments and what is as it is by default do not count.
    let same = COUNT.replace("name: count\n", "# again\nsettings: {}\nname: count\n");
    let second = world.publish(&same).await.unwrap();

    assert_eq!(told(&second), ["agent counter: unchanged 1", "workflow count: unchanged 1"]);
    assert_eq!(ids(&first), ids(&second));
    assert_eq!(world.audited().await.len(), 2);
}

#[tokio::test]
async fn a_change_is_a_new_version_and_the_old_one_is_retired() {
    let world = World::new().await;
    let first = world.publish(COUNT).await.unwrap();

    let second = world.publish(&COUNT.replace("key: words", "key: all_words")).await.unwrap();

    assert_eq!(told(&second), ["agent counter: unchanged 1", "workflow count: updated 2"]);
    let old = world.store.workflows().get(WorkflowId::from_uuid(first.published[1].id)).await.unwrap();
    let new = world.store.workflows().get(WorkflowId::from_uuid(second.published[1].id)).await.unwrap();
    assert_eq!((old.status, new.status), (WorkflowStatus::Inactive, WorkflowStatus::Active));
    assert_eq!(new.parent_id, Some(old.id));
}

#[tokio::test]
async fn what_was_retired_or_deleted_is_followed_by_the_next_version_and_never_numbered_again() {
    let world = World::new().await;
    let first = world.publish(COUNT).await.unwrap();
    let (agent, workflow) = ids(&first);
    let mut uow = world.store.begin().await.unwrap();
    let stored = world.store.agents().get(agent).await.unwrap();
    uow.agents().save(&Agent { status: AgentStatus::Inactive, ..stored }, world.now()).await.unwrap();
    uow.workflows().delete(workflow, world.now()).await.unwrap();
    uow.commit().await.unwrap();

    let second = world.publish(COUNT).await.unwrap();

    assert_eq!(told(&second), ["agent counter: updated 2", "workflow count: updated 2"]);
    let (next_agent, next_workflow) = ids(&second);
    let next = world.store.agents().get(next_agent).await.unwrap();
    assert_eq!((next.status, next.parent_id), (AgentStatus::Active, Some(agent)));
    let next = world.store.workflows().get(next_workflow).await.unwrap();
    assert_eq!((next.parent_id, next.is_active()), (Some(workflow), true));
    let deleted = world.store.workflows().get(workflow).await.unwrap();
    assert!(deleted.deleted_at.is_some(), "{deleted:?}");
    assert_eq!(
        told(&world.publish(COUNT).await.unwrap()),
        ["agent counter: unchanged 2", "workflow count: unchanged 2"]
    );
}

#[tokio::test]
async fn a_draft_is_not_overtaken_and_the_active_version_before_it_is_retired() {
    let world = World::new().await;
    let (agent, workflow) = ids(&world.publish(COUNT).await.unwrap());
    let active = world.store.workflows().get(workflow).await.unwrap();
    let draft = active.next_version(WorkflowId::from_uuid(world.ids.next()), world.now());
    let active_agent = world.store.agents().get(agent).await.unwrap();
    let agent_draft = active_agent.next_version(AgentId::from_uuid(world.ids.next()), world.now());
    let mut uow = world.store.begin().await.unwrap();
    uow.workflows().insert(&draft, &[]).await.unwrap();
    uow.agents().insert(std::slice::from_ref(&agent_draft)).await.unwrap();
    uow.commit().await.unwrap();

    // The content is that of the active version, but there is a later one.
    let third = world.publish(COUNT).await.unwrap();

    assert_eq!(told(&third), ["agent counter: updated 3", "workflow count: updated 3"]);
    let (next_agent, next_workflow) = ids(&third);
    let status = async |id| world.store.workflows().get(id).await.unwrap().status;
    assert_eq!(status(workflow).await, WorkflowStatus::Inactive);
    assert_eq!(status(draft.id).await, WorkflowStatus::Draft);
    let next: Workflow = world.store.workflows().get(next_workflow).await.unwrap();
    assert_eq!((next.status, next.parent_id), (WorkflowStatus::Active, Some(draft.id)));
    assert_eq!(world.store.agents().get(agent).await.unwrap().status, AgentStatus::Inactive);
    assert_eq!(world.store.agents().get(next_agent).await.unwrap().parent_id, Some(agent_draft.id));
}

#[tokio::test]
async fn a_public_version_of_somebody_else_is_not_retired_with_ones_own() {
    let world = World::new().await;
    let other = world.another(UserRole::User).await;
    let text = "{ kind: agent, name: shared, type: data, public: true, config: { program: length } }";
    let theirs = AgentId::from_uuid(world.publish_as(other, text).await.unwrap().published[0].id);
    let own = AgentId::from_uuid(world.publish(text).await.unwrap().published[0].id);
    let mut uow = world.store.begin().await.unwrap();
    uow.agents().delete(own, world.now()).await.unwrap();
    uow.commit().await.unwrap();

    assert_eq!(told(&world.publish(text).await.unwrap()), ["agent shared: updated 2"]);

    assert_eq!(world.store.agents().get(theirs).await.unwrap().status, AgentStatus::Active);
}

#[tokio::test]
async fn a_new_version_of_an_agent_makes_a_new_version_of_what_uses_it() {
    let world = World::new().await;
    let first = world.publish(COUNT).await.unwrap();

    let second = world.publish(&COUNT.replace("program: length", "program: keys")).await.unwrap();

    assert_eq!(told(&second), ["agent counter: updated 2", "workflow count: updated 2"]);
    let old_agent = world.store.agents().get(AgentId::from_uuid(first.published[0].id)).await.unwrap();
    assert_eq!((old_agent.status, old_agent.config), (AgentStatus::Inactive, json!({ "program": "length" })));
    let steps = world.store.workflows().steps(WorkflowId::from_uuid(second.published[1].id)).await.unwrap();
    assert_eq!(steps[0].agent_id.map(AgentId::as_uuid), Some(second.published[0].id));
}

#[tokio::test]
async fn an_agent_may_be_of_the_file_ones_own_or_public_but_not_of_somebody_else() {
    let world = World::new().await;
    let other = world.another(UserRole::User).await;
    let agents =
        "{ kind: agent, name: private, type: data }\n---\n{ kind: agent, name: open, type: data, public: true }\n";
    world.publish_as(other, agents).await.unwrap();
    let uses = |agent: &str| format!("name: w\nsteps: [{{ key: a, type: agent, agent: {agent} }}]\n");

    world.publish(&uses("open")).await.unwrap();
    let problems = world.problems(&uses("private")).await;

    assert_eq!((problems[0].problem.code, problems[0].problem.path.as_str()), ("unknown_agent", "steps[0].agent"));
    world.publish_as(other, &uses("private")).await.unwrap();
}

#[tokio::test]
async fn an_agent_may_be_named_by_its_id() {
    let world = World::new().await;
    let report = world.publish("{ kind: agent, name: a, type: data }").await.unwrap();
    let id = AgentId::from_uuid(report.published[0].id);

    let workflow = world.publish(&format!("name: w\nsteps: [{{ key: a, type: agent, agent: {id} }}]")).await.unwrap();

    let steps = world.store.workflows().steps(WorkflowId::from_uuid(workflow.published[0].id)).await.unwrap();
    assert_eq!(steps[0].agent_id, Some(id));
}

#[tokio::test]
async fn an_agent_that_runs_a_workflow_may_name_one_of_the_file() {
    let world = World::new().await;
    let text = "name: inner\nsteps: [{ key: a, type: wait, config: { duration_ms: 1 } }]\n---\n\
                { kind: agent, name: call, type: workflow, config: { workflow: inner } }\n";

    world.publish(text).await.unwrap();
    let problems = world.problems("{ kind: agent, name: call, type: workflow, config: { workflow: nothing } }").await;

    assert_eq!(problems[0].problem.code, "unknown_workflow");
    assert_eq!(problems[0].problem.path, "config.workflow");
    let problems = world.problems("{ kind: agent, name: call, type: workflow }").await;
    assert_eq!(problems[0].problem.code, "invalid_config");
}

#[tokio::test]
async fn a_name_stands_for_one_document_of_its_kind() {
    let world = World::new().await;
    let agent = "{ kind: agent, name: a, type: data }";

    let problems = world.problems(&format!("{agent}\n---\n{agent}\n")).await;

    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].document, problems[0].problem.code), (2, "duplicate_name"));
}

#[tokio::test]
async fn who_only_runs_things_may_not_publish() {
    let world = World::new().await;
    let caller = world.another(UserRole::Agent).await;

    let refused = world.publish_as(caller, COUNT).await.unwrap_err();

    assert_eq!(refused.to_string(), "this account, or its key, may not do what needs `agents:write`");
}

#[tokio::test]
async fn publishers_of_the_same_names_take_turns() {
    let world = World::new().await;
    let text = |n: usize| COUNT.replace("program: length", &format!("program: '.[{n}]'"));
    let texts: Vec<String> = (0..8).map(text).collect();

    let (a, b, c, d) = tokio::join!(
        world.publish(&texts[0]),
        world.publish(&texts[1]),
        world.publish(&texts[2]),
        world.publish(&texts[3])
    );

    let mut versions: Vec<u32> =
        [a, b, c, d].iter().map(|done| done.as_ref().unwrap().published[1].version.get()).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4]);
}

const HOURLY: &str = "
name: tick
triggers: { schedule: { cron: '0 * * * *' } }
steps:
  - { key: pause, type: wait, config: { duration_ms: 1 } }
";

#[tokio::test]
async fn a_schedule_begins_with_its_workflow_goes_on_with_the_next_version_and_ends_with_the_last() {
    let world = World::new().await;
    let due = async || world.store.next_due().await.unwrap().schedule;
    let first = world.now() + TimeDelta::hours(1);

    let report = world.publish(HOURLY).await.unwrap();
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_eq!(due().await, Some(first));

    // The first tick was due and nobody has fired it: it is the next version's.
    world.store.clock().advance_ms(2 * 3_600_000);
    world.publish(&HOURLY.replace("0 * * * *", "0 0 1 1 *")).await.unwrap();
    assert_eq!(due().await, Some(first));

    world.publish(&HOURLY.replace("triggers: { schedule: { cron: '0 * * * *' } }\n", "")).await.unwrap();
    assert_eq!(due().await, None);
}

#[tokio::test]
async fn a_schedule_of_a_workflow_that_needs_an_input_is_refused() {
    let world = World::new().await;
    let input = |schema: &str| HOURLY.replace("name: tick\n", &format!("name: tick\ninput: {schema}\n"));

    let problems = world.problems(&input("{ type: object, required: [topic] }")).await;

    let found: Vec<_> = problems.iter().map(|found| (found.problem.code, found.problem.path.as_str())).collect();
    assert_eq!(found, [("schedule_input", "triggers.schedule")]);
    assert!(problems[0].problem.message.contains("topic"), "{}", problems[0].problem.message);
    world.publish(&input("{ type: object, properties: { topic: { type: string } } }")).await.unwrap();
}

#[tokio::test]
async fn the_forms_that_an_agent_says_are_checked_and_so_are_its_parameters_against_them() {
    let world = World::new().await;
    let agent = |capabilities: &str, parameters: &str| {
        format!("kind: agent\nname: typed\ntype: data\ncapabilities: {capabilities}\nparameters: {parameters}\n")
    };
    let input = "{ type: object, required: [id], properties: { id: { type: integer }, size: { $ref: '#/$defs/size' } }, \
                 $defs: { size: { type: integer, maximum: 9 } } }";
    let both = format!("{{ words: [a], input: {input}, output: {{ type: array }} }}");

    let right = agent(&both, "{ size: 7 }");
    assert_eq!(told(&world.publish(&right).await.unwrap()), ["agent typed: created 1"]);
    assert_eq!(told(&world.publish(&right).await.unwrap()), ["agent typed: unchanged 1"]);

    let broken = world.problems(&agent("{ input: { type: objekt }, output: { minItems: -1 } }", "{}")).await;
    let places: Vec<_> = broken.iter().map(|located| located.problem.path.as_str()).collect();
    assert_eq!(places, ["capabilities.input.type", "capabilities.output.minItems"]);
    let unfit = world.problems(&agent(&both, "{ size: 10, id: x }")).await;
    let mut places: Vec<_> = unfit.iter().map(|located| located.problem.path.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["parameters.id", "parameters.size"]);
}
