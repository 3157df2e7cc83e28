//! The examples with agents that talk: what they give, to the letter, without a model and without a network.

use serde_json::{Value, json};

use crate::turbocat::{Folder, Turbocat};

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

#[tokio::test]
async fn two_tables_are_joined_in_sql_and_what_is_wrong_with_a_query_is_told() {
    const EXAMPLE: &str = "examples/sales-by-customer.yaml";
    let (turbocat, folder) = (Turbocat::with_database().await, Folder::new("sql"));
    let customers = "id;name\n1;Ann\n2;\"Ben; the second\"\n3;Cleo\n";
    let orders = "customer,total\n1,10.50\n2,99\n1,2\n7,5\n";

    let all = output(&turbocat, EXAMPLE, json!({ "customers": customers, "orders": orders })).await;
    assert_eq!(
        all,
        json!({
            "customers": [
                { "name": "Ben; the second", "orders": 1, "total": 99, "place": 1 },
                { "name": "Ann", "orders": 2, "total": 12.5, "place": 2 },
                { "name": "Cleo", "orders": 0, "total": 0, "place": 3 },
            ],
            "lost": 1,
        })
    );
    let input = json!({ "customers": customers, "orders": orders, "at_least": 50 });
    assert_eq!(output(&turbocat, EXAMPLE, input).await["customers"].as_array().unwrap().len(), 1);
    let broken = json!({ "customers": "id;name\nx;Ann\n", "orders": orders }).to_string();
    let failed = turbocat.run(&["run", EXAMPLE, "--input", &broken]).await.failure();
    assert!(failed.stderr.contains("data_failed") && failed.stderr.contains("\"x\""), "{}", failed.stderr);

    let agent = |sql: &str| {
        format!(
            "kind: agent\nname: q\ntype: data\nconfig:\n  sql: \"{sql}\"\n  tables: {{ t: {{ rows: \"${{{{ input.t }}}}\", columns: \
             {{ a: integer }} }} }}\n"
        )
    };
    for (sql, told) in [
        ("SELECT b FROM t", "column \"b\" does not exist"),
        ("SELECT a FROM users", "\"users\" does not exist"),
        ("SELECT pg_sleep(1) FROM t", "pg_sleep"),
        ("SELECT cuont(a) FROM t", "did you mean `count`"),
    ] {
        let file = folder.write("agent.yaml", &agent(sql));
        let refused = turbocat.run(&["apply", "-f", &file]).await.failure();
        assert!(refused.stderr.contains(told), "{sql}: {}", refused.stderr);
        assert!(refused.stderr.contains("config.sql"), "{sql}: {}", refused.stderr);
    }
}
