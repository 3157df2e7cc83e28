//! The examples with agents that talk: what they give, to the letter, without a model and without a network.

use serde_json::{Value, json};

use crate::turbocat::Turbocat;

async fn output(turbocat: &Turbocat, example: &str, input: Value) -> Value {
    turbocat.run(&["run", example, "--input", &input.to_string()]).await.success().value()
}

#[tokio::test]
async fn the_support_crew_answers_tickets_and_asks_a_person_before_it_pays_much_back() {
    const EXAMPLE: &str = "examples/support-triage.yaml";
    let turbocat = Turbocat::with_database().await;

    assert_eq!(
        output(&turbocat, EXAMPLE, json!({ "order": "A-1", "text": "It came broken, I want a refund." })).await,
        json!({
            "desk": "billing", "refund": 20, "approved": true, "turns": 2,
            "reply": "Your order was delivered yesterday. We pay back 20.",
        })
    );
    assert_eq!(
        output(&turbocat, EXAMPLE, json!({ "order": "B-7", "text": "I want a refund." })).await,
        json!({
            "desk": "billing", "refund": 80, "approved": false, "turns": 2,
            "reply": "We have your ticket. A colleague has to look at it first.",
        })
    );
    assert_eq!(
        output(&turbocat, EXAMPLE, json!({ "text": "It shows error 42." })).await,
        json!({
            "desk": "technical", "refund": 0, "approved": true, "turns": 2,
            "reply": "It shows error 42. Please restart the program and try again. (extracted offline, without a model)",
        })
    );
}

#[tokio::test]
async fn the_writer_searches_for_three_things_and_says_what_it_found() {
    let turbocat = Turbocat::with_database().await;

    let output = output(&turbocat, "examples/research-report.yaml", json!({ "topic": "bicycles" })).await;

    let report = "# bicycles\n\nPast: The first had no pedals.\nPresent: There are more of them than cars.\n\
                  Future: Nothing was found.";
    assert_eq!(output["report"], report);
    assert_eq!(output["turns"].as_array().unwrap().len(), 2);
    assert_eq!(output["turns"][0]["model"], "offline-script");
}

#[tokio::test]
async fn the_table_is_added_up_and_what_is_no_good_is_told() {
    let turbocat = Turbocat::with_database().await;
    let text = "region,amount\nnorth,10\nsouth,5\nnorth,x\n\"far, far away\",2.5\n,7\n";

    let output = output(&turbocat, "examples/csv-report.yaml", json!({ "text": text })).await;

    assert_eq!(
        output,
        json!({
            "totals": { "north": 10, "south": 5, "far, far away": 2.5 },
            "rejected": [{ "line": 4, "text": "north,x" }, { "line": 6, "text": ",7" }],
            "summary": "The sales of all regions are 17.5. 2 rows could not be read. (extracted offline, without a model)",
        })
    );
}
