//! The forms of agents: what configs look like, and what agents say that they are given and give.

use crate::turbocat::{Folder, Turbocat, root};

#[tokio::test]
async fn the_forms_of_agents_are_printed_and_what_breaks_one_is_told_with_its_place() {
    let nothing = Turbocat::with_options(&[]);
    let types = nothing.run(&["agents", "types", "--json"]).await.success().values();
    assert_eq!(types.len(), 5, "{types:?}");
    for one in types {
        let kind = one["type"].as_str().unwrap();
        let schema = nothing.run(&["agents", "schema", kind]).await.success();
        let committed = std::fs::read_to_string(root().join(format!("docs/schemas/agent-{kind}.json"))).unwrap();
        assert_eq!(schema.stdout, committed, "{kind}");
    }

    let (turbocat, folder) = (Turbocat::with_database().await, Folder::new("forms"));
    let agent = |parameters: &str, answer: &str| {
        format!(
            "name: typed\nsteps:\n  - {{ key: a, type: agent, agent: typed, inputs: {{ id: \"${{{{ input.id }}}}\" }} }}\n---\n\
             kind: agent\nname: typed\ntype: data\nconfig: {{ program: '{answer}' }}\nparameters: {parameters}\n\
             capabilities:\n  words: [typing]\n  input: {{ properties: {{ id: {{ type: integer }}, limit: {{ type: integer }} }} }}\n  \
             output: {{ type: integer }}\n"
        )
    };
    let wrong = folder.write("wrong.yaml", &agent("{ limit: many }", ".id"));
    let refused = turbocat.run(&["apply", "-f", &wrong]).await.failure();
    assert!(refused.stderr.contains("parameters.limit"), "{}", refused.stderr);

    let right = folder.write("right.yaml", &agent("{ limit: 2 }", ".id * .limit"));
    assert_eq!(turbocat.run(&["run", &right, "--input", r#"{"id": 4}"#]).await.success().value(), 8);
    let failed = turbocat.run(&["run", &right, "--input", r#"{"id": "4"}"#]).await.failure();
    assert!(failed.stderr.contains("input_invalid") && failed.stderr.contains("/id"), "{}", failed.stderr);
    let text = folder.write("text.yaml", &agent("{ limit: 2 }", "tostring"));
    let failed = turbocat.run(&["run", &text, "--input", r#"{"id": 4}"#]).await.failure();
    assert!(failed.stderr.contains("output_invalid"), "{}", failed.stderr);
}
