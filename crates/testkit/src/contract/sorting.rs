//! The rules of the order of lists.

use chrono::{DateTime, TimeDelta, Utc};
use turbocat_domain::{
    agent::{Agent, AgentType},
    deployment::{Deployment, DeploymentTarget},
    port::{AgentFilter, DeploymentFilter, PageRequest, Sort, SortField, TemplateFilter, WorkflowFilter},
    template::Template,
    value::Name,
    workflow::Workflow,
};

use super::{ContractStore, Scene};
use crate::{
    builder::{a_deployment, a_template, a_workflow, an_agent},
    clock::epoch,
};

/// In the order of their creation; each with the place of its last change.
const NAMES: [(&str, i64); 3] = [("order-b", 30), ("order-c", 10), ("order-a", 20)];

/// A name, when it was made, and when it was changed.
fn moments() -> impl Iterator<Item = (Name, DateTime<Utc>, DateTime<Utc>)> {
    (1..).zip(NAMES).map(|(second, (name, changed))| {
        let at = |seconds| epoch() + TimeDelta::seconds(seconds);
        (Name::parse(name).unwrap(), at(second), at(changed))
    })
}

/// Writes three of each kind, with the same names and moments.
async fn write(store: &dyn ContractStore, scene: &Scene) {
    let mut uow = store.begin().await.unwrap();
    for (name, created_at, updated_at) in moments() {
        let target = DeploymentTarget::Workflow(scene.workflow.id);
        let deployment = a_deployment(&scene.ids, scene.user.id, target);
        let deployment = Deployment { name: name.clone(), created_at, updated_at, ..deployment };
        uow.deployments().insert(&deployment).await.unwrap();
        let agent = an_agent(&scene.ids, scene.user.id, AgentType::Data);
        uow.agents().insert(&[Agent { name: name.clone(), created_at, updated_at, ..agent }]).await.unwrap();
        let (workflow, steps) = a_workflow(&scene.ids, &scene.agent, &["a"]);
        let workflow = Workflow { name: name.clone(), created_at, updated_at, ..workflow };
        uow.workflows().insert(&workflow, &steps).await.unwrap();
        let template = a_template(&scene.ids);
        uow.templates().insert(&[Template { name, created_at, updated_at, ..template }]).await.unwrap();
    }
    uow.commit().await.unwrap();
}

/// The names in an order, of each kind, read in pages of two.
async fn read(store: &dyn ContractStore, sort: Sort) -> [Vec<String>; 4] {
    macro_rules! names {
        ($queries:ident, $filter:ident) => {{
            let filter = $filter { sort, ..$filter::default() };
            let (mut names, mut page) = (Vec::new(), PageRequest { limit: 2, after: None });
            loop {
                let found = store.$queries().list(&filter, page).await.unwrap();
                names.extend(found.items.iter().map(|item| item.name.to_string()));
                page.after = found.next;
                if page.after.is_none() {
                    break names.into_iter().filter(|name| name.starts_with("order-")).collect();
                }
            }
        }};
    }
    [
        names!(deployments, DeploymentFilter),
        names!(agents, AgentFilter),
        names!(workflows, WorkflowFilter),
        names!(templates, TemplateFilter),
    ]
}

/// Lists are in the order that is asked for, forwards and backwards, in pages that leave nothing out.
pub async fn lists_are_in_the_order_that_is_asked_for(store: &dyn ContractStore) {
    let scene = Scene::set(store).await;
    write(store, &scene).await;
    for (by, expected) in [
        (SortField::CreatedAt, ["order-b", "order-c", "order-a"]),
        (SortField::UpdatedAt, ["order-c", "order-a", "order-b"]),
        (SortField::Name, ["order-a", "order-b", "order-c"]),
    ] {
        for ascending in [true, false] {
            let mut expected = expected.map(str::to_owned);
            if !ascending {
                expected.reverse();
            }
            for found in read(store, Sort { by, ascending }).await {
                assert_eq!(found, expected, "{by:?} {ascending}");
            }
        }
    }
}
