//! What is refused when an agent is published.

use serde_json::{Value, json};
use turbocat_agents::validate_config;
use turbocat_domain::{agent::AgentType, problem::Problems};

use crate::support::agents;

fn places(problems: &Problems) -> Vec<(&str, &str)> {
    problems.iter().map(|problem| (problem.code, problem.path.as_str())).collect()
}

fn refused(kind: AgentType, config: &Value) -> Problems {
    validate_config(kind, config).unwrap_err()
}

#[test]
fn good_configurations_of_every_type_are_accepted() {
    for (kind, config) in [
        (AgentType::Code, json!({ "language": "javascript", "source": "export default () => 1" })),
        (AgentType::Code, json!({ "language": "python", "source": "def main(inputs, context): return 1" })),
        (AgentType::Data, json!({ "program": ".a", "collect": false })),
        (
            AgentType::Api,
            json!({
                "method": "POST", "url": "https://example.com/${{ input.id }}",
                "headers": { "Authorization": "${{ secrets.TOKEN }}", "X-A": "${{ input.a }}" },
                "query": { "q": "${{ input.q }}" }, "body": { "a": 1 }, "response": "${{ output.body }}",
                "timeout_ms": 1000, "accept_status": [404],
            }),
        ),
        (AgentType::Llm, json!({ "prompt": "${{ input.question }}" })),
        (
            AgentType::Llm,
            json!({
                "provider": "openai", "model": "m", "base_url": "http://localhost:11434/v1", "temperature": 1,
                "api_key": "${{ secrets.KEY }}", "system": "s", "max_tokens": 5, "response_format": "json",
                "messages": [{ "role": "user", "content": "${{ input.question }}" }],
            }),
        ),
        (AgentType::Workflow, json!({ "workflow": "other" })),
    ] {
        assert_eq!(validate_config(kind, &config), Ok(()), "{config}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let problems = refused(
        AgentType::Api,
        &json!({
            "metod": "GET", "method": "FETCH", "url": "ftp://example.com", "timeout_ms": 0,
            "headers": { "Host": "a", "bad name": "b", "X": "${{ input. }}" },
            "body": "${{ steps.a.output }}", "query": { "q": "${{ secrets.A }}" }, "accept_status": [99],
        }),
    );

    assert_eq!(
        places(&problems),
        [
            ("invalid_config", "method"),
            ("invalid_config", "url"),
            ("invalid_config", "headers.Host"),
            ("expression_invalid", "headers.X"),
            ("invalid_config", "headers.bad name"),
            ("secret_not_allowed", "query"),
            ("invalid_config", "body"),
            ("invalid_config", "timeout_ms"),
            ("invalid_config", "accept_status"),
            ("unknown_key", "metod"),
        ]
    );
    assert!(problems.to_string().contains("did you mean `method`?"), "{problems}");
}

#[test]
fn a_configuration_that_is_no_object_or_lacks_what_it_needs_is_refused() {
    assert_eq!(places(&refused(AgentType::Code, &json!([]))), [("invalid_config", "")]);
    assert_eq!(
        places(&refused(AgentType::Code, &json!({ "language": "cobol" }))),
        [("invalid_config", "language"), ("invalid_config", "source")]
    );
    assert_eq!(places(&refused(AgentType::Data, &json!({ "program": "" }))), [("invalid_config", "program")]);
    assert_eq!(places(&refused(AgentType::Llm, &json!({}))), [("invalid_config", "prompt")]);
}

#[test]
fn a_key_in_the_configuration_of_a_model_is_refused_and_so_are_bad_messages() {
    let problems = refused(
        AgentType::Llm,
        &json!({ "api_key": "sk-123", "messages": [{ "role": "robot", "content": "a", "x": 1 }, 5] }),
    );

    assert_eq!(
        places(&problems),
        [
            ("invalid_config", "api_key"),
            ("invalid_config", "messages[0].role"),
            ("unknown_key", "messages[0].x"),
            ("invalid_config", "messages[1]"),
        ]
    );
    assert!(!problems.to_string().contains("sk-123"));
}

#[tokio::test]
async fn programs_are_parsed_before_they_are_published() {
    let agents = agents();
    let code = |source: &str| json!({ "language": "javascript", "source": source });

    agents.check(AgentType::Code, &code("export default () => 1")).await.unwrap();
    agents.check(AgentType::Data, &json!({ "program": ".a | map(.b)" })).await.unwrap();
    let problems = agents.check(AgentType::Code, &code("export default (")).await.unwrap_err();
    assert_eq!(places(&problems), [("invalid_program", "source")]);
    let problems = agents.check(AgentType::Data, &json!({ "program": ".a |" })).await.unwrap_err();
    assert_eq!(places(&problems), [("invalid_program", "program")]);
}

#[tokio::test]
async fn a_program_that_attacks_its_parser_is_refused_and_nothing_else_happens() {
    let agents = agents();
    for nested in
        ["(".repeat(60_000), "[".repeat(60_000), "-".repeat(60_000), "def f: ".repeat(8_000), "try ".repeat(15_000)]
    {
        let problems = agents.check(AgentType::Data, &json!({ "program": nested })).await.unwrap_err();
        assert_eq!(places(&problems), [("invalid_program", "program")]);
    }
    let source = format!("export default () => {}1", "(".repeat(200_000));
    let code = json!({ "language": "javascript", "source": source });
    assert_eq!(places(&agents.check(AgentType::Code, &code).await.unwrap_err()), [("invalid_program", "source")]);
}

#[tokio::test]
async fn what_is_wrong_with_a_program_or_a_schema_is_told_with_what_is_wrong_with_the_form() {
    let cases = [
        (AgentType::Code, json!({ "language": "javascript", "source": "export default (", "secret": ["A"] }), "source"),
        (AgentType::Data, json!({ "program": ".a |", "colect": true }), "program"),
        (AgentType::Data, json!({ "sql": "DELETE FROM a", "colect": true }), "sql"),
        (AgentType::Api, json!({ "url": "ftp://a", "response_schema": { "type": "thing" } }), "response_schema/type"),
        (
            AgentType::Llm,
            json!({ "prompt": "${{ input. }}", "output_schema": { "type": "thing" } }),
            "output_schema/type",
        ),
    ];
    for (kind, config, place) in cases {
        let problems = agents().check(kind, &config).await.unwrap_err();
        let found = places(&problems);
        assert!(found.len() > 1 && found.iter().any(|(_, found)| found == &place), "{config}: {found:?}");
    }
    // Where the program itself cannot be read, only the form is told of.
    let problems = agents().check(AgentType::Code, &json!({ "language": "ruby", "source": "(" })).await.unwrap_err();
    assert_eq!(places(&problems), [("invalid_config", "language")]);
}
