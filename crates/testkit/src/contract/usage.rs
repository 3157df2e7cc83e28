//! The rules of usage and budgets.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use turbocat_domain::{
    budget::{Budget, BudgetLimit, BudgetPeriod, BudgetScope, BudgetUnit, Estimate, Shortfall},
    id::{BudgetId, ExecutionId, UserId, WorkerId},
    port::{
        IdGenerator, NewExecution, PageRequest, PartKind, PartOutcome, RepositoryError, Reservation, ReserveOutcome,
        StepPart, StepPlace, UsageFilter,
    },
    usage::{Charge, Tokens, UsageGroup, UsageSum},
    value::Name,
};

use super::{
    ContractStore, Scene,
    scene::{claim, finish, ids_of, park},
};
use crate::{builder::a_completion, clock::epoch};

fn at(execution_id: ExecutionId, path: &str) -> StepPlace {
    StepPlace { execution_id, path: path.to_owned() }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A turn of this agent that read and wrote so much, and cost that.
fn a_charge(scene: &Scene, agent: &str, (input, output): (u64, u64), nano_usd: Option<u64>) -> Charge {
    Charge {
        agent_id: scene.agent.id,
        agent_name: name(agent),
        provider: "p".to_owned(),
        model: "m".to_owned(),
        tokens: Tokens { input, output, cached_input: input / 2 },
        nano_usd,
        price_version: nano_usd.map(|_| "v1".to_owned()),
    }
}

fn sum(calls: u64, (input, output): (u64, u64), (nano_usd, unpriced_calls): (u64, u64)) -> UsageSum {
    UsageSum { calls, tokens: Tokens { input, output, cached_input: input / 2 }, nano_usd, unpriced_calls }
}

/// Records a turn with what it is charged.
async fn record(store: &dyn ContractStore, worker: WorkerId, (step, key): (&StepPlace, &str), charge: &Charge) {
    let part = StepPart { key: key.to_owned(), kind: PartKind::Turn, data: json!({ "of": key }) };
    let outcome = store.record_part(worker, step, (&part, Some(charge))).await.unwrap();
    assert_eq!(outcome, PartOutcome::Stands(part.data));
}

fn whole(user: Option<UserId>) -> UsageFilter {
    let (from, to) = (NaiveDate::from_ymd_opt(1970, 1, 1).unwrap(), NaiveDate::from_ymd_opt(9000, 1, 1).unwrap());
    UsageFilter { user, from, to, agent: None }
}

async fn sums(store: &dyn ContractStore, filter: &UsageFilter, group: UsageGroup) -> Vec<(String, UsageSum)> {
    let rows = store.usage().sums(filter, group, 100).await.unwrap();
    rows.into_iter().map(|row| (row.key, row.sum)).collect()
}

/// A child of an execution, running.
async fn child_of(store: &dyn ContractStore, scene: &Scene, (worker, parent): (WorkerId, ExecutionId)) -> ExecutionId {
    let child = NewExecution { parent: Some((parent, "a".to_owned())), depth: 1, ..scene.new_execution() };
    store.insert(std::slice::from_ref(&child), Some(worker)).await.unwrap();
    child.id
}

/// A turn is charged in the commit of its record, however often it is sent.
pub async fn a_turn_is_charged_once_with_its_record(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let (worker, other) = (scene.worker(store).await, scene.worker(store).await);
    let step = at(scene.running(store, worker).await.id, "a");
    let charge = a_charge(&scene, "x", (10, 4), Some(7));
    for _ in 0..2 {
        record(store, worker, (&step, "turn.1"), &charge).await;
    }
    let part = StepPart { key: "turn.2".to_owned(), kind: PartKind::Turn, data: json!(1) };
    let refused = store.record_part(other, &step, (&part, Some(&charge))).await.unwrap();
    assert_eq!(refused, PartOutcome::NotOwned);
    record(store, worker, (&step, "turn.3"), &a_charge(&scene, "x", (2, 1), None)).await;

    let (all, steps) = store.usage().of_execution(step.execution_id).await.unwrap();
    assert_eq!(all, sum(2, (12, 5), (7, 1)));
    assert_eq!(steps.into_iter().map(|row| (row.key, row.sum)).collect::<Vec<_>>(), [("a".to_owned(), all)]);
    assert_eq!(sums(store, &whole(None), UsageGroup::Agent).await, [("x".to_owned(), all)]);
}

/// What an execution used is what it and all that it started used; its steps are its own.
pub async fn what_a_child_used_counts_for_those_that_started_it(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let root = scene.running(store, worker).await.id;
    let child = child_of(store, &scene, (worker, root)).await;
    let grandchild = child_of(store, &scene, (worker, child)).await;
    record(store, worker, (&at(root, "a"), "turn.1"), &a_charge(&scene, "x", (2, 1), Some(1))).await;
    record(store, worker, (&at(grandchild, "b"), "turn.1"), &a_charge(&scene, "x", (4, 1), Some(2))).await;

    let of = async |id| store.usage().of_execution(id).await.unwrap();
    assert_eq!(of(root).await.0, sum(2, (6, 2), (3, 0)));
    assert_eq!(of(child).await.0, sum(1, (4, 1), (2, 0)));
    assert_eq!(of(child).await.1, []);
    assert_eq!(of(root).await.1.len(), 1);
    assert_eq!(of(grandchild).await.1[0].key, "b");
    assert_eq!(sums(store, &whole(None), UsageGroup::User).await.len(), 1);
    assert_eq!(sums(store, &whole(None), UsageGroup::User).await[0].1, sum(2, (6, 2), (3, 0)));
}

/// Usage is summed by days in their order, and by what costs most first.
pub async fn usage_is_summed_by_what_is_asked_for(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    record(store, worker, (&step, "turn.1"), &a_charge(&scene, "cheap", (100, 100), Some(1))).await;
    record(store, worker, (&step, "turn.2"), &a_charge(&scene, "dear", (2, 2), Some(9))).await;
    let mini = Charge { model: "mini".to_owned(), ..a_charge(&scene, "dear", (2, 2), Some(9)) };
    record(store, worker, (&step, "turn.3"), &mini).await;

    let keys = async |filter: UsageFilter, group| {
        sums(store, &filter, group).await.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    let own = whole(Some(scene.user.id));
    assert_eq!(keys(own.clone(), UsageGroup::Agent).await, ["dear", "cheap"]);
    assert_eq!(keys(own.clone(), UsageGroup::Model).await, ["p/m", "p/mini"]);
    assert_eq!(keys(own.clone(), UsageGroup::Workflow).await, [scene.workflow.id.as_uuid().to_string()]);
    assert_eq!(keys(own.clone(), UsageGroup::User).await, [scene.user.id.as_uuid().to_string()]);
    let days = sums(store, &own, UsageGroup::Day).await;
    assert_eq!((days.len(), days[0].1), (1, sum(3, (104, 104), (19, 0))));
    assert!(days[0].0.parse::<NaiveDate>().is_ok(), "{}", days[0].0);
    let cheap = UsageFilter { agent: Some(name("cheap")), ..own.clone() };
    assert_eq!(keys(cheap, UsageGroup::Model).await, ["p/m"]);
    assert_eq!(keys(whole(Some(other.id)), UsageGroup::Agent).await, Vec::<String>::new());
    let before =
        UsageFilter { to: NaiveDate::from_ymd_opt(1970, 1, 1).unwrap(), from: NaiveDate::MIN.max(own.from), ..own };
    let early = sums(store, &before, UsageGroup::Day).await;
    assert!(early.is_empty() || early[0].0 == "1970-01-01", "{early:?}");
    assert_eq!(store.usage().sums(&whole(None), UsageGroup::Agent, 1).await.unwrap().len(), 1);
}

/// An execution is deleted with the details of what it used; the sums of days stay.
pub async fn sums_outlive_executions(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let ended = scene.running(store, worker).await;
    let step = at(ended.id, "a");
    record(store, worker, (&step, "turn.1"), &a_charge(&scene, "x", (2, 2), Some(9))).await;
    let limit = [BudgetLimit { unit: BudgetUnit::Tokens, amount: 100 }];
    assert_eq!(reserve(store, (&step, "turn.2"), 1, &limit).await, None);
    finish(store, worker, a_completion(&ended)).await;

    let mut uow = store.begin().await.unwrap();
    assert_eq!(uow.executions().delete_ended(&[ended.id]).await.unwrap(), 1);
    uow.commit().await.unwrap();
    assert_eq!(store.usage().of_execution(ended.id).await.unwrap(), (UsageSum::default(), Vec::new()));
    assert_eq!(sums(store, &whole(None), UsageGroup::Agent).await, [("x".to_owned(), sum(1, (2, 2), (9, 0)))]);
}

/// A budget of the scene's user.
fn a_budget(scene: &Scene, scope: BudgetScope, amount: u64) -> Budget {
    Budget {
        id: BudgetId::from_uuid(scene.ids.next()),
        user_id: scene.user.id,
        scope,
        unit: BudgetUnit::Tokens,
        period: BudgetPeriod::Total,
        amount,
        created_at: epoch(),
        updated_at: epoch(),
    }
}

async fn put(store: &dyn ContractStore, budget: &Budget) -> BudgetId {
    let mut uow = store.begin().await.unwrap();
    let id = uow.budgets().put(budget).await.unwrap();
    uow.commit().await.unwrap();
    id
}

/// Reserves so many tokens for a turn of agent `x`; what it is short of, if it does not fit.
async fn reserve(
    store: &dyn ContractStore,
    (step, key): (&StepPlace, &str),
    tokens: u64,
    limits: &[BudgetLimit],
) -> Option<Box<Shortfall>> {
    let estimate = Estimate { tokens, nano_usd: Some(tokens) };
    let wanted = Reservation { key: key.to_owned(), agent_name: name("x"), estimate };
    match store.reserve(step, &wanted, limits).await.unwrap() {
        ReserveOutcome::Reserved => None,
        ReserveOutcome::Short(short) => Some(short),
    }
}

async fn standing(store: &dyn ContractStore, id: BudgetId) -> (u64, u64) {
    let standing = store.budgets().get(id).await.unwrap();
    (standing.spent, standing.reserved)
}

/// What is reserved for a turn is there for no other until it is recorded; then what it used counts.
pub async fn a_turn_that_fits_is_reserved_until_it_is_recorded(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    assert_eq!(reserve(store, (&step, "turn.0"), u64::MAX >> 1, &[]).await, None, "there is no budget");
    let id = put(store, &a_budget(&scene, BudgetScope::User, 100)).await;

    assert_eq!(reserve(store, (&step, "turn.1"), 60, &[]).await, None);
    assert_eq!(standing(store, id).await, (0, 60));
    // The same turn again takes the place of the one before.
    assert_eq!(reserve(store, (&step, "turn.1"), 70, &[]).await, None);
    assert_eq!(standing(store, id).await, (0, 70));
    let short = reserve(store, (&step, "turn.2"), 31, &[]).await.unwrap();
    assert_eq!((short.standing.spent, short.standing.reserved, short.wanted), (0, 70, Some(31)));
    record(store, worker, (&step, "turn.1"), &a_charge(&scene, "x", (20, 20), None)).await;
    assert_eq!(standing(store, id).await, (40, 0));
    assert_eq!(reserve(store, (&step, "turn.2"), 60, &[]).await, None);
    assert_eq!(standing(store, id).await, (40, 60));
}

/// Of turns that are reserved at once no more fit than do one after the other.
pub async fn of_two_turns_that_do_not_fit_together_one_waits(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    let id = put(store, &a_budget(&scene, BudgetScope::User, 100)).await;
    let turn = async |key: &str| reserve(store, (&step, key), 30, &[]).await;

    let (a, b, c, d) = tokio::join!(turn("turn.1"), turn("turn.2"), turn("turn.3"), turn("turn.4"));
    assert_eq!([a, b, c, d].iter().filter(|short| short.is_none()).count(), 3);
    assert_eq!(standing(store, id).await, (0, 90));
}

/// A turn that was under way when its execution ended is not paid for.
pub async fn a_reservation_counts_for_nothing_once_its_execution_has_ended(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let ended = scene.running(store, worker).await;
    let id = put(store, &a_budget(&scene, BudgetScope::User, 100)).await;
    assert_eq!(reserve(store, (&at(ended.id, "a"), "turn.1"), 60, &[]).await, None);
    finish(store, worker, a_completion(&ended)).await;

    assert_eq!(standing(store, id).await, (0, 0));
    let step = at(scene.running(store, worker).await.id, "a");
    assert_eq!(reserve(store, (&step, "turn.1"), 100, &[]).await, None);
}

/// A turn must fit the budget of its user, of its agent, and of all executions above it; those of others do not count.
pub async fn every_budget_that_applies_is_held(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let worker = scene.worker(store).await;
    let root = scene.running(store, worker).await.id;
    let child = child_of(store, &scene, (worker, root)).await;
    let stranger = scene.running(store, worker).await.id;
    put(store, &Budget { user_id: other.id, ..a_budget(&scene, BudgetScope::User, 0) }).await;
    put(store, &a_budget(&scene, BudgetScope::Agent(name("y")), 0)).await;
    put(store, &a_budget(&scene, BudgetScope::Execution(stranger), 0)).await;
    let (step, turn) = (at(child, "a"), "turn.1");
    assert_eq!(reserve(store, (&step, turn), 50, &[]).await, None);

    for scope in
        [BudgetScope::User, BudgetScope::Agent(name("x")), BudgetScope::Execution(root), BudgetScope::Execution(child)]
    {
        let budget = a_budget(&scene, scope.clone(), 49);
        let id = put(store, &budget).await;
        let short = reserve(store, (&step, turn), 50, &[]).await.unwrap();
        assert_eq!((short.standing.budget.id, &short.standing.budget.scope), (id, &scope));
        put(store, &Budget { amount: 50, ..budget }).await;
        assert_eq!(reserve(store, (&step, turn), 50, &[]).await, None, "{scope:?}");
    }
    let dollars = Budget { unit: BudgetUnit::Usd, ..a_budget(&scene, BudgetScope::User, 49) };
    put(store, &dollars).await;
    assert_eq!(reserve(store, (&step, turn), 50, &[]).await.unwrap().standing.budget.unit, BudgetUnit::Usd);
}

/// What a workflow sets for each of its executions is a budget of the execution, which can be raised.
pub async fn the_limits_of_a_workflow_become_budgets_of_its_execution(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    let limits = [BudgetUnit::Tokens, BudgetUnit::Usd].map(|unit| BudgetLimit { unit, amount: 10 });

    let short = reserve(store, (&step, "turn.1"), 11, &limits).await.unwrap();
    let budget = short.standing.budget;
    assert_eq!((&budget.scope, budget.user_id), (&BudgetScope::Execution(step.execution_id), scene.user.id));
    assert_eq!(reserve(store, (&step, "turn.1"), 10, &limits).await, None);
    for limit in limits {
        put(store, &Budget { amount: 20, unit: limit.unit, ..budget.clone() }).await;
    }
    assert_eq!(reserve(store, (&step, "turn.1"), 20, &limits).await, None, "what was raised stays raised");
    let all = store.budgets().list(Some(scene.user.id), PageRequest { limit: 9, after: None }).await.unwrap();
    assert_eq!(all.items.len(), 2);
}

/// Who is short of a budget is woken when it is set anew or deleted, once, whether it is parked or not.
pub async fn who_waits_for_a_budget_is_woken_when_it_is_set_or_deleted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let worker = scene.worker(store).await;
    let (parked, owned) = (scene.running(store, worker).await.id, scene.running(store, worker).await.id);
    let bystander = scene.running(store, worker).await.id;
    let budget = a_budget(&scene, BudgetScope::User, 0);
    let id = put(store, &budget).await;
    for execution in [parked, owned] {
        assert!(reserve(store, (&at(execution, "a"), "turn.1"), 1, &[]).await.is_some());
    }
    for execution in [parked, bystander] {
        park(store, worker, execution, Vec::new()).await;
    }
    assert_eq!(ids_of(&claim(store, worker).await), []);

    put(store, &Budget { amount: 1, ..budget }).await;
    assert_eq!(ids_of(&claim(store, worker).await), [parked]);
    let mail = store.take_mail(worker).await.unwrap();
    assert_eq!(mail.iter().map(|letter| letter.id).collect::<Vec<_>>(), [owned]);
    assert_eq!(reserve(store, (&at(owned, "a"), "turn.1"), 1, &[]).await, None);
    assert!(reserve(store, (&at(parked, "a"), "turn.1"), 1, &[]).await.is_some());
    let mut uow = store.begin().await.unwrap();
    uow.budgets().delete(id).await.unwrap();
    uow.commit().await.unwrap();
    let mail = store.take_mail(worker).await.unwrap();
    assert_eq!(mail.iter().map(|letter| letter.id).collect::<Vec<_>>(), [parked]);
    assert_eq!(reserve(store, (&at(parked, "a"), "turn.1"), 1, &[]).await, None);
}

/// A budget has one amount at a time, keeps its id, and is one of its kind.
pub async fn a_budget_is_set_and_set_again_and_deleted(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let first = a_budget(&scene, BudgetScope::Agent(name("x")), 5);
    assert_eq!(put(store, &first).await, first.id);
    let later: DateTime<Utc> = epoch() + TimeDelta::seconds(5);
    let second = Budget { id: BudgetId::from_uuid(scene.ids.next()), amount: 6, updated_at: later, ..first.clone() };
    assert_eq!(put(store, &second).await, first.id, "it is the same budget");
    let read = store.budgets().get(first.id).await.unwrap().budget;
    assert_eq!(read, Budget { amount: 6, updated_at: later, ..first.clone() });
    let daily = Budget { period: BudgetPeriod::Day, ..a_budget(&scene, BudgetScope::Agent(name("x")), 5) };
    assert_eq!(put(store, &daily).await, daily.id, "it is another kind");

    let nobody = Budget { user_id: scene.nobody(UserId::from_uuid), ..a_budget(&scene, BudgetScope::User, 1) };
    let mut uow = store.begin().await.unwrap();
    assert!(matches!(uow.budgets().put(&nobody).await, Err(RepositoryError::BrokenReference { .. })));
    let delete = async |id| {
        let mut uow = store.begin().await.unwrap();
        uow.budgets().delete(id).await?;
        uow.commit().await
    };
    delete(first.id).await.unwrap();
    assert!(matches!(store.budgets().get(first.id).await, Err(RepositoryError::NotFound { .. })));
    assert!(matches!(delete(first.id).await, Err(RepositoryError::NotFound { .. })));
    assert!(store.budgets().get(daily.id).await.is_ok());
}

/// Budgets are listed in pages, the newest first, of all users or of one.
pub async fn budgets_are_listed_with_how_they_stand(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    let other = scene.another_user(store).await;
    let worker = scene.worker(store).await;
    let step = at(scene.running(store, worker).await.id, "a");
    let mut ids = Vec::new();
    for (second, scope) in
        [(1, BudgetScope::User), (2, BudgetScope::Agent(name("x"))), (3, BudgetScope::Agent(name("y")))]
    {
        let moment = epoch() + TimeDelta::seconds(second);
        let budget = Budget { created_at: moment, updated_at: moment, ..a_budget(&scene, scope, 100) };
        ids.push(put(store, &budget).await);
    }
    put(store, &Budget { user_id: other.id, ..a_budget(&scene, BudgetScope::User, 100) }).await;
    assert_eq!(reserve(store, (&step, "turn.1"), 10, &[]).await, None);
    record(store, worker, (&step, "turn.1"), &a_charge(&scene, "x", (3, 4), None)).await;
    assert_eq!(reserve(store, (&step, "turn.2"), 5, &[]).await, None);

    let page = |after| PageRequest { limit: 2, after };
    let first = store.budgets().list(Some(scene.user.id), page(None)).await.unwrap();
    let rest = store.budgets().list(Some(scene.user.id), page(first.next)).await.unwrap();
    assert_eq!(rest.next, None);
    let all = first.items.iter().chain(&rest.items).map(|one| (one.budget.id, one.spent, one.reserved));
    assert_eq!(all.collect::<Vec<_>>(), [(ids[2], 0, 0), (ids[1], 7, 5), (ids[0], 7, 5)]);
    assert_eq!(store.budgets().list(None, PageRequest { limit: 9, after: None }).await.unwrap().items.len(), 4);
}
