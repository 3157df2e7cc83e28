//! What an execution by a deployment was accepted with goes with it, and with all that it starts.

use serde_json::{Value, json};
use turbocat_domain::{
    execution::deployment_of,
    id::DeploymentId,
    port::{ExecutionAcceptor, ExecutionFilter, NewExecution, PageRequest},
};
use turbocat_testkit::runner::{Answer, ScriptedRunner};
use uuid::Uuid;

use crate::world::{World, chain};

#[tokio::test(start_paused = true)]
async fn variables_and_memory_go_on_to_children_and_the_deployment_does_not() {
    let mut world = World::new().await;
    let mut child = chain("child", 1);
    child["steps"][0]["inputs"] = json!({ "region": "${{ env.REGION }}" });
    world.workflow(child).await;
    world.workflow_agent("call", "child").await;
    let step = json!({ "key": "call", "type": "agent", "agent": "call" });
    let workflow = world.workflow(json!({ "name": "parent", "steps": [step] })).await;
    let runner = ScriptedRunner::new().path("s0", |call| {
        let memory = call.agent.max_memory_mb.map_or(Value::Null, Value::from);
        Answer::Reply(json!({ "region": call.inputs["region"], "memory_mb": memory }))
    });
    let engine = world.engine(runner).await;
    let id = DeploymentId::from_uuid(Uuid::from_u128(9));
    let trigger_data = json!({
        "source": "test", "deployment": { "id": id.as_uuid() }, "env": { "REGION": "eu" },
        "allocated": { "memory_mb": 32, "cpu_shares": 1 },
    });
    let new = NewExecution { trigger_data, ..world.execution(workflow, json!({})) };
    let parent = new.id;
    engine.handle().accept(vec![new]).await.unwrap();

    let execution = world.completed(parent).await;

    assert_eq!(execution.output_data, json!({ "region": "eu", "memory_mb": 32 }));
    let filter = ExecutionFilter { parent: Some(parent), ..ExecutionFilter::default() };
    let children = world.store.queries().executions().list(&filter, PageRequest::default()).await.unwrap().items;
    let data = &children[0].trigger_data;
    assert_eq!((deployment_of(data), &data["env"]), (None, &json!({ "REGION": "eu" })), "{data}");
    let filter = ExecutionFilter { deployment: Some(id), ..ExecutionFilter::default() };
    let of_deployment = world.store.queries().executions().list(&filter, PageRequest::default()).await.unwrap().items;
    assert_eq!(of_deployment.iter().map(|one| one.id).collect::<Vec<_>>(), [parent], "a request comes from outside");
}
