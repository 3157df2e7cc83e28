//! `turbocat budgets` and `turbocat usage`, with the model that needs no network.

use crate::turbocat::{Folder, Turbocat};

const TALK: &str = "
kind: agent
name: teller
type: llm
config: { provider: offline, prompt: 'Say: ${{ input.text }}', max_tokens: 50 }
---
kind: workflow
name: tell
steps: [{ key: tell, type: agent, agent: teller, inputs: { text: '${{ input.text }}' } }]
";

#[tokio::test]
async fn a_run_that_is_short_of_its_budget_waits_and_goes_on_when_it_is_raised() {
    let turbocat = Turbocat::with_database().await;
    let folder = Folder::new("budgets");
    let file = folder.write("tell.yaml", TALK);
    let budget = ["budgets", "set", "--agent", "teller", "--period", "day", "--json", "--tokens"];
    let set = async |tokens| turbocat.run(&[&budget[..], &[tokens]].concat()).await.success().value();
    let before = set("10").await;
    assert_eq!((&before["spent"], &before["left"]), (&0.into(), &10.into()), "{before}");

    let mut run = turbocat.start(&["run", &file, "--input", r#"{"text": "One. Two. Three."}"#, "--json"]);
    let waiting = run.line(|event| event["event"] == "wait").await;
    assert_eq!(waiting["for"], "budget", "{waiting}");
    let why = waiting["name"].as_str().unwrap();
    assert!(why.contains("the budget of agent `teller` is 10 tokens a day") && why.contains("or more"), "{why}");
    let raised = set("1000").await;
    assert_eq!(raised["id"], before["id"]);

    let ended = run.line(|event| event["event"] == "ended").await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert!(run.end().await.success());
    let used = turbocat.run(&["usage", "--by", "agent", "--json"]).await.success().value();
    assert_eq!((&used["key"], &used["calls"], &used["cost_usd"]), (&"teller".into(), &1.into(), &0.0.into()), "{used}");
    let tokens = used["input_tokens"].as_u64().unwrap() + used["output_tokens"].as_u64().unwrap();
    let listed = turbocat.run(&["budgets", "list", "--json"]).await.success().value();
    assert_eq!((listed["spent"].as_u64(), &listed["reserved"]), (Some(tokens), &0.into()), "{listed}");
    let line = turbocat.run(&["budgets", "list"]).await.success().stdout;
    assert!(line.contains("agent teller  1000 tokens (day)"), "{line}");

    turbocat.run(&["budgets", "delete", listed["id"].as_str().unwrap()]).await.success();
    assert_eq!(turbocat.run(&["budgets", "list"]).await.success().stdout, "");
    let nothing = turbocat.run(&["usage", "--from", "2020-01-01", "--to", "2020-01-02"]).await.success();
    assert!(nothing.stderr.contains("no model was asked"), "{}", nothing.stderr);
    let wrong = turbocat.run(&["usage", "--from", "2020-01-02", "--to", "2020-01-01"]).await.failure();
    assert!(wrong.stderr.contains("days after `from`"), "{}", wrong.stderr);
}

#[tokio::test]
async fn prices_that_cannot_be_read_are_told_with_their_place() {
    let folder = Folder::new("prices");
    let file = folder.write("prices.json", r#"{ "version": "own", "models": { "gpt": { "input": 1, "output": 1 } } }"#);
    let turbocat = Turbocat::with_database().await.with_variable("TURBOCAT_PRICES", &file);

    let refused = turbocat.run(&["usage"]).await.failure();

    assert!(
        refused.stderr.contains("TURBOCAT_PRICES") && refused.stderr.contains("provider and model"),
        "{}",
        refused.stderr
    );
}
