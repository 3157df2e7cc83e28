//! Ten mistakes in one file are ten problems at once, each at its line.

use turbocat_domain::port::{AgentFilter, PageRequest, Queries, WorkflowFilter};

use crate::world::World;

const FILE: &str = r#"name: mistakes
input:
  type: objekt
output: { a: "${{ steps.ghost.output }}" }
steps:
  - { key: a, type: agent, agent: nobody }
  - { key: a, type: agent, agent: good }
  - { key: b, type: agent, agent: good, depends_on: [z] }
  - { key: c, type: agent, agent: good, colour: red }
  - { key: d, type: agent, agent: good, if: "1 +" }
  - { key: e, type: loop, config: { items: "${{ input.list }}", max_iterations: 3, body: [] } }
---
kind: agent
name: good
type: data
config:
  colour: red
---
kind: agent
name: bad
type: dota
max_memory_mb: 1
"#;

#[tokio::test]
async fn ten_mistakes_are_ten_problems_at_their_lines_and_nothing_is_stored() {
    let world = World::new().await;

    let problems = world.problems(FILE).await;

    let found: Vec<_> = problems.iter().map(|located| (located.line.unwrap(), located.problem.path.as_str())).collect();
    for expected in [
        (3, "input.type"),
        (4, "output.a"),
        (6, "steps[0].agent"),
        (7, "steps[1].key"),
        (8, "steps[2].depends_on"),
        (9, "steps[3].colour"),
        (10, "steps[4].if"),
        (11, "steps[5].config.body"),
        (17, "config.colour"),
        (21, "type"),
        (22, "max_memory_mb"),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {problems:#?}");
    }
    assert_eq!(found.len(), 11, "{problems:#?}");
    let agents = world.store.agents().list(&AgentFilter::default(), PageRequest::default()).await.unwrap();
    let workflows = world.store.workflows().list(&WorkflowFilter::default(), PageRequest::default()).await.unwrap();
    assert!(agents.items.is_empty() && workflows.items.is_empty());
    assert!(world.audited().await.is_empty());
}
