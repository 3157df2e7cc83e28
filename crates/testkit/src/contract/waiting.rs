//! The rules of what waits for people and for its time, of what a unit of work tells executions, and of searches.

use serde_json::{Value, json};
use turbocat_domain::{
    approval::WaitingApproval,
    id::{EventId, ExecutionId, TemplateId},
    port::{
        AgentFilter, ApprovalFilter, IdGenerator, JournalBatch, NewEvent, NewExecution, PageRequest, RepositoryError,
        RequestOutcome, TemplateFilter, WorkflowFilter,
    },
    run::AwaitedEvent,
    step_run::StepOutcome,
    template::Template,
    user::User,
    value::{Name, Search, Tag},
    workflow::{Workflow, WorkflowStatus},
    workflow_step::StepType,
};

use super::{
    ContractStore, Scene,
    scene::{a_wait, claim, commit, finish, ids_of, park},
};
use crate::builder::{a_completion, a_new_execution, a_record, a_template, a_user, a_workflow, an_event};

const APPROVAL: &str = AwaitedEvent::APPROVAL;

/// A workflow with a step `ask` that waits for an approval by these rules.
async fn asking(scene: &Scene, store: &dyn ContractStore, rules: Value) -> Workflow {
    let (workflow, mut steps) = a_workflow(&scene.ids, &scene.agent, &["ask"]);
    steps[0].step_type = StepType::Wait;
    steps[0].agent_id = None;
    steps[0].config = json!({ "approval": rules });
    let mut uow = store.begin().await.unwrap();
    uow.workflows().insert(&workflow, &steps).await.unwrap();
    uow.commit().await.unwrap();
    workflow
}

/// A parked execution of a workflow that waits at these paths.
async fn parked(scene: &Scene, store: &dyn ContractStore, workflow: &Workflow, paths: &[&str]) -> ExecutionId {
    let worker = scene.worker(store).await;
    let new: NewExecution = a_new_execution(&scene.ids, workflow);
    let id = new.id;
    store.insert(&[new], None).await.unwrap();
    store.tick().await;
    assert_eq!(ids_of(&claim(store, worker).await), [id]);
    park(store, worker, id, paths.iter().map(|path| a_wait(path, APPROVAL)).collect()).await;
    id
}

fn concerning(user: &User) -> ApprovalFilter {
    ApprovalFilter { user: user.id, email: user.email.clone(), execution: None, path: None }
}

async fn approvals(store: &dyn ContractStore, filter: &ApprovalFilter) -> Vec<WaitingApproval> {
    store.approvals().list(filter, PageRequest::default()).await.unwrap().items
}

/// A decision in the name of the owner of an execution.
fn a_decision(scene: &Scene, id: ExecutionId, path: &str) -> NewEvent {
    let payload = json!({ "approved": true, "by": "ada@example.com" });
    NewEvent { payload, target: Some((id, path.to_owned())), ..an_event(&scene.ids, scene.user.id, APPROVAL) }
}

/// A parked step that waits for an approval is listed with its rules and what was decided, until its record says that
/// it is over or its execution has ended.
pub async fn an_approval_is_listed_until_it_is_over(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let workflow = asking(&scene, store, json!({ "min_approvals": 2 })).await;
    let id = parked(&scene, store, &workflow, &["each[1].ask", "ask"]).await;
    let filter = concerning(&scene.user);
    store.publish(&a_decision(&scene, id, "ask")).await.unwrap();
    store.publish(&an_event(&scene.ids, scene.user.id, APPROVAL)).await.unwrap();

    let found = approvals(store, &filter).await;
    assert_eq!(found.iter().map(|approval| approval.path.as_str()).collect::<Vec<_>>(), ["ask", "each[1].ask"]);
    let [first, second] = [&found[0], &found[1]];
    assert_eq!((first.execution_id, first.workflow_id, first.user_id), (id, workflow.id, scene.user.id));
    assert_eq!((&first.rules, &first.workflow_name), (&json!({ "min_approvals": 2 }), &workflow.name.to_string()));
    assert_eq!(first.decisions, [json!({ "approved": true, "by": "ada@example.com" })]);
    assert!(second.decisions.is_empty());
    let of_path = ApprovalFilter { execution: Some(id), path: Some("ask".to_owned()), ..filter.clone() };
    assert_eq!(approvals(store, &of_path).await, std::slice::from_ref(first));
    let elsewhere = ApprovalFilter { execution: Some(scene.nobody(ExecutionId::from_uuid)), ..filter.clone() };
    assert_eq!(approvals(store, &elsewhere).await, []);

    let worker = scene.worker(store).await;
    let claimed = claim(store, worker).await.remove(0);
    assert_eq!(approvals(store, &filter).await.len(), 2, "it is looked at, and goes on waiting");
    let record = a_record(id, "ask", 1);
    assert!(matches!(record.outcome, StepOutcome::Completed(_)));
    commit(store, worker, JournalBatch { records: vec![record], ..JournalBatch::default() }).await;
    assert_eq!(approvals(store, &filter).await, std::slice::from_ref(second));
    finish(store, worker, a_completion(&claimed)).await;
    assert_eq!(approvals(store, &filter).await, []);
}

/// An approval concerns the owner of its execution and those who are asked by their address or id, and nobody else.
pub async fn an_approval_concerns_its_owner_and_who_is_asked(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let [by_email, by_id, nobody] =
        [scene.another_user(store).await, scene.another_user(store).await, scene.another_user(store).await];
    let approvers = json!([by_email.email, by_id.id.to_string()]);
    let workflow = asking(&scene, store, json!({ "approvers": approvers })).await;
    let id = parked(&scene, store, &workflow, &["ask"]).await;

    for user in [&scene.user, &by_email, &by_id] {
        let found = approvals(store, &concerning(user)).await;
        assert_eq!(found.iter().map(|approval| approval.execution_id).collect::<Vec<_>>(), [id], "{user:?}");
    }
    assert_eq!(approvals(store, &concerning(&nobody)).await, []);
}

/// Pages of approvals go through all executions once, the newest first, and cut none.
pub async fn pages_of_approvals_cut_no_execution(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let workflow = asking(&scene, store, json!({})).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.push(parked(&scene, store, &workflow, &["b.ask", "a.ask"]).await);
    }
    expected.reverse();
    let (mut seen, mut page) = (Vec::new(), PageRequest { limit: 2, after: None });
    loop {
        let found = store.approvals().list(&concerning(&scene.user), page).await.unwrap();
        assert!(found.items.len() == 4 || found.next.is_none());
        seen.extend(found.items.into_iter().map(|approval| (approval.execution_id, approval.path)));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    let both = expected.into_iter().flat_map(|id| ["a.ask", "b.ask"].map(|path| (id, path.to_owned())));
    assert_eq!(seen, both.collect::<Vec<_>>());
}

/// A schedule is listed for its owner as it stands, with what became of its ticks, and not when it has ended.
pub async fn a_schedule_is_listed_as_it_stands(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (mut workflow, _) = a_workflow(&scene.ids, &scene.agent, &["fetch"]);
    workflow.schedule_cron = Some("0 3 * * *".parse().unwrap());
    workflow.definition["triggers"] = json!({ "schedule": { "cron": "0 3 * * *", "overlap": "queue" } });
    workflow.schedule_enabled = true;
    let mut uow = store.begin().await.unwrap();
    uow.workflows().insert(&workflow, &[]).await.unwrap();
    uow.commit().await.unwrap();
    let all = PageRequest::default();

    let found = store.schedules().list(Some(scene.user.id), all).await.unwrap().items;
    assert_eq!(found.len(), 1);
    let schedule = &found[0];
    assert_eq!((schedule.workflow_id, schedule.name.as_str()), (workflow.id, workflow.name.as_str()));
    assert_eq!(schedule.schedule.cron.as_str(), "0 3 * * *");
    assert!(schedule.due_at.is_some() && schedule.due_at == schedule.state.next_at);
    assert_eq!(store.schedules().list(None, all).await.unwrap().items, found);
    let other = scene.another_user(store).await;
    assert_eq!(store.schedules().list(Some(other.id), all).await.unwrap().items, []);
    assert_eq!(store.schedules().list(None, PageRequest { limit: 1, after: None }).await.unwrap().next, None);
    assert_eq!(store.schedules().ticks(workflow.id, 10).await.unwrap(), []);

    let mut uow = store.begin().await.unwrap();
    let retired = Workflow { status: WorkflowStatus::Inactive, ..workflow.clone() };
    uow.workflows().save(&retired, workflow.updated_at + chrono::TimeDelta::seconds(1)).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(store.schedules().list(None, all).await.unwrap().items, []);
}

/// What a unit of work sends and cancels happens at its commit, and not at all without one.
pub async fn what_a_unit_of_work_tells_executions_happens_at_its_commit(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let workflow = asking(&scene, store, json!({})).await;
    let id = parked(&scene, store, &workflow, &["ask"]).await;
    let filter = concerning(&scene.user);
    for is_committed in [false, true] {
        let mut uow = store.begin().await.unwrap();
        assert_eq!(uow.executions().send(&a_decision(&scene, id, "ask")).await.unwrap(), 1);
        assert_eq!(uow.executions().request_cancel(id).await.unwrap(), RequestOutcome::Requested);
        if is_committed {
            uow.commit().await.unwrap();
        } else {
            drop(uow);
        }
        let waiting = approvals(store, &filter).await;
        assert_eq!(waiting[0].decisions.len(), usize::from(is_committed));
        assert_eq!(store.executions().get(id).await.unwrap().cancel_requested, is_committed);
    }
    let worker = scene.worker(store).await;
    assert_eq!(ids_of(&claim(store, worker).await), [id], "it is woken");
    let mut uow = store.begin().await.unwrap();
    let unknown = scene.nobody(ExecutionId::from_uuid);
    assert_eq!(uow.executions().request_cancel(unknown).await.unwrap(), RequestOutcome::Unknown);
    let event = NewEvent { id: EventId::from_uuid(scene.ids.next()), ..a_decision(&scene, unknown, "ask") };
    assert_eq!(uow.executions().send(&event).await.unwrap(), 0);
    uow.commit().await.unwrap();
    let mut uow = store.begin().await.unwrap();
    let twice = uow.executions().send(&event).await;
    assert!(matches!(twice, Err(RepositoryError::AlreadyExists { .. })), "{twice:?}");
    assert!(matches!(uow.commit().await, Err(RepositoryError::Aborted)));
}

/// What a unit of work accepts is there at its commit, to be claimed, and not at all without one; what stands already is
/// refused.
pub async fn what_a_unit_of_work_accepts_is_there_at_its_commit(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let new = a_new_execution(&scene.ids, &scene.workflow);
    for is_committed in [false, true] {
        let mut uow = store.begin().await.unwrap();
        uow.executions().insert(std::slice::from_ref(&new)).await.unwrap();
        let found = store.executions().get(new.id).await;
        assert!(matches!(found, Err(RepositoryError::NotFound { .. })), "{found:?}");
        if is_committed {
            uow.executions().insert(&[]).await.unwrap();
            uow.commit().await.unwrap();
        }
    }
    store.tick().await;
    let worker = scene.worker(store).await;
    assert_eq!(ids_of(&claim(store, worker).await), [new.id]);
    let mut uow = store.begin().await.unwrap();
    let twice = uow.executions().insert(&[new]).await;
    assert!(matches!(twice, Err(RepositoryError::AlreadyExists { .. })), "{twice:?}");
}

/// The workflows that an event starts are found by its name, which is not a pattern.
pub async fn a_workflow_is_found_by_the_event_that_starts_it(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let triggered = |trigger: Value| {
        let (workflow, _) = a_workflow(&scene.ids, &scene.agent, &["fetch"]);
        Workflow { trigger_config: trigger, ..workflow }
    };
    let all = [
        triggered(json!({ "event": { "name": "order.paid", "filter": "event.total > 3" } })),
        triggered(json!({ "event": { "name": "order.%" } })),
        triggered(json!({ "schedule": { "cron": "@daily" } })),
        triggered(json!({ "name": "order.paid" })),
    ];
    let mut uow = store.begin().await.unwrap();
    for workflow in &all {
        uow.workflows().insert(workflow, &[]).await.unwrap();
    }
    uow.commit().await.unwrap();
    for (event, expected) in [("order.paid", vec![0]), ("order.%", vec![1]), ("order", vec![]), ("\"", vec![])] {
        let filter = WorkflowFilter { event: Some(event.to_owned()), ..WorkflowFilter::default() };
        let found = store.workflows().list(&filter, PageRequest::default()).await.unwrap().items;
        let expected: Vec<_> = expected.into_iter().map(|place: usize| all[place].id).collect();
        assert_eq!(found.iter().map(|workflow| workflow.id).collect::<Vec<_>>(), expected, "{event}");
    }
}

/// Uses and ratings are counted exactly, and are no change of the template: a user's later rating takes the place of the
/// one before.
pub async fn a_template_is_rated_once_by_each_and_counts_its_uses(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let template = Template { user_id: Some(scene.user.id), ..a_template(&scene.ids) };
    let others = [a_user(&scene.ids), a_user(&scene.ids)];
    let mut uow = store.begin().await.unwrap();
    for user in &others {
        uow.users().insert(user).await.unwrap();
    }
    uow.templates().insert(std::slice::from_ref(&template)).await.unwrap();
    uow.commit().await.unwrap();
    let steps = [(0, 5, "5.00", 1), (1, 4, "4.50", 2), (1, 2, "3.50", 2), (0, 1, "1.50", 2)];
    for (uses, (user, stars, average, count)) in (1..).zip(steps) {
        let mut uow = store.begin().await.unwrap();
        let user: &User = &others[user];
        uow.templates().rate(template.id, (user.id, stars), template.created_at).await.unwrap();
        uow.templates().count_use(template.id).await.unwrap();
        uow.commit().await.unwrap();
        let stored = store.templates().get(template.id).await.unwrap();
        assert_eq!((stored.rating_average.to_string().as_str(), stored.rating_count), (average, count));
        assert_eq!((stored.usage_count, stored.updated_at), (uses, template.updated_at));
    }
    let unknown = scene.nobody(TemplateId::from_uuid);
    let mut uow = store.begin().await.unwrap();
    let rated = uow.templates().rate(unknown, (scene.user.id, 3), template.created_at).await;
    assert!(matches!(rated, Err(RepositoryError::NotFound { .. })), "{rated:?}");
    let mut uow = store.begin().await.unwrap();
    uow.templates().delete(template.id, template.created_at).await.unwrap();
    uow.commit().await.unwrap();
    let mut uow = store.begin().await.unwrap();
    let used = uow.templates().count_use(template.id).await;
    assert!(matches!(used, Err(RepositoryError::NotFound { .. })), "{used:?}");
    assert_eq!(store.templates().get_deleted(template.id).await.unwrap().id, template.id);
    assert!(matches!(store.templates().get_deleted(unknown).await, Err(RepositoryError::NotFound { .. })));
}

/// A search finds what has all its words, each in the name, the description or a tag, whatever their case; and means
/// every character as it is.
pub async fn a_search_finds_all_words_wherever_they_stand(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let named = |name: &str, description: Option<&str>, tag: &str| {
        let (workflow, _) = a_workflow(&scene.ids, &scene.agent, &["fetch"]);
        Workflow {
            name: Name::parse(name).unwrap(),
            description: description.map(str::to_owned),
            tags: vec![Tag::parse(tag).unwrap()],
            ..workflow
        }
    };
    let all = [
        named("Daily report", Some("Sums up 100% of it"), "finance"),
        named("daily_clean", None, "ops"),
        named("weekly", Some("a report"), "daily"),
    ];
    let mut uow = store.begin().await.unwrap();
    for workflow in &all {
        uow.workflows().insert(workflow, &[]).await.unwrap();
    }
    uow.commit().await.unwrap();
    let cases = [
        ("daily", vec![0, 1, 2]),
        ("REPORT daily", vec![0, 2]),
        ("sums fin", vec![0]),
        ("daily_", vec![1]),
        ("100%", vec![0]),
        ("%", vec![0]),
        ("y_r", vec![]),
        ("report ops", vec![]),
        ("' OR 1=1 --", vec![]),
    ];
    for (text, expected) in cases {
        let filter = WorkflowFilter { search: Some(Search::parse(text).unwrap()), ..WorkflowFilter::default() };
        let found = store.workflows().list(&filter, PageRequest::default()).await.unwrap().items;
        let mut found: Vec<_> =
            found.iter().filter_map(|found| all.iter().position(|one| one.id == found.id)).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
    let agents =
        AgentFilter { search: Some(Search::parse(scene.agent.name.as_str()).unwrap()), ..AgentFilter::default() };
    assert_eq!(store.agents().list(&agents, PageRequest::default()).await.unwrap().items.len(), 1);
    let templates = TemplateFilter { search: Some(Search::parse("x").unwrap()), ..TemplateFilter::default() };
    assert_eq!(store.templates().list(&templates, PageRequest::default()).await.unwrap().items, []);
}
