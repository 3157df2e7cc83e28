//! The command line that goes through the API of a server, with a key: it does and prints what it does on the database.

use serde_json::json;

use crate::{
    documents::{BOOM, COUNT, FOR_EVER},
    turbocat::{Answer, Folder, Turbocat},
};

/// A workflow that waits for an event, and tells of it.
const PAID: &str = "
name: paid
output: { order: '${{ steps.paid.output.order }}' }
steps:
  - { key: paid, type: wait, config: { event: { name: order.paid }, lookback_ms: 600000 } }
";

/// A workflow that waits for a person.
const ASKING: &str = "
name: asking
output: { button: '${{ steps.ask.output.button }}' }
steps:
  - { key: ask, type: wait, config: { approval: { buttons: [now, later] } } }
";

/// The command line on another machine: it knows an address and a key, and no database.
fn elsewhere(address: &str, key: &str) -> Turbocat {
    let turbocat = Turbocat::with_options(&[format!("--server=http://{address}")]);
    turbocat.with_variable("TURBOCAT_API_KEY", key)
}

/// The machine of the server, with a key of secrets of its own.
async fn with_data(folder: &Folder) -> Turbocat {
    Turbocat::with_database().await.with_option(format!("--data-dir={}", folder.path().join("data").display()))
}

/// A key that may do anything, made on the machine of the server.
async fn key(turbocat: &Turbocat) -> String {
    let made = turbocat.run(&["keys", "create", "--name", "story", "--scope", "*", "--rate-limit-per-minute", "6000"]);
    made.await.success().stdout.trim().to_owned()
}

#[tokio::test]
async fn what_is_printed_is_the_same_through_the_server_and_on_the_database() {
    let folder = Folder::new("remote-same");
    let here = with_data(&folder).await;
    let (server, address) = here.up().await;
    let there = elsewhere(&address, &key(&here).await);
    let (count, boom) = (folder.write("count.yaml", COUNT), folder.write("boom.yaml", BOOM));
    let asking = folder.write("asking.yaml", ASKING);

    let made = there.run(&["apply", "-f", &count, &asking]).await.success().stdout;
    assert!(made.contains("workflow  count: created") && made.contains("workflow  asking: created"), "{made}");
    let ran = there.run(&["run", &count, "--input", r#"{"text": "a b"}"#]).await.success();
    assert_eq!(ran.value(), json!({ "words": 2 }));
    assert!(ran.stderr.contains("✓ words") && ran.stderr.contains("completed in"), "{}", ran.stderr);
    let failed = there.run(&["run", &boom]).await.failure();
    assert!(failed.stderr.contains("error at `boom`") && failed.stderr.contains("kaboom"), "{}", failed.stderr);
    let events =
        there.run(&["run", "--workflow", "count", "--input", r#"{"text": "a b c"}"#, "--json"]).await.success();
    let events = events.values();
    assert_eq!((&events[0]["event"], &events[events.len() - 1]["output"]["words"]), (&json!("accepted"), &json!(3)));
    let id = events[0]["execution"].as_str().unwrap();
    there.run(&["executions", "start", "asking"]).await.success();
    there.run(&["users", "create", "--email", "ada@example.com", "--name", "Ada"]).await.success();

    let listed = there.run(&["executions", "list", "--status", "failed", "--json"]).await.success().values();
    let failed_id = listed[0]["execution"].as_str().unwrap();
    let commands = [
        &["executions", "list"][..],
        &["executions", "list", "--workflow", "count", "--limit", "1"],
        &["executions", "show", id],
        &["executions", "show", failed_id],
        &["executions", "logs", failed_id],
        &["executions", "logs", failed_id, "--follow", "--level", "warn"],
        &["executions", "wait", id],
        &["executions", "cancel", id],
        &["executions", "pause", id],
        &["executions", "resume", id],
        &["apply", "-f", &count],
        &["approvals", "list"],
        &["schedules", "list"],
        &["templates", "list", "--limit", "3"],
        &["users", "list"],
        &["secrets", "list"],
    ];
    let compared = compared(&here, &there, &commands).await;
    assert!(compared > 20, "only {compared} had something to say");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

/// Runs commands on both, as text and as JSON, which have to print the same. How often something was printed.
async fn compared(here: &Turbocat, there: &Turbocat, commands: &[&[&str]]) -> usize {
    let mut compared = 0;
    for command in commands {
        for form in [&[][..], &["--json"]] {
            let command = [command, form].concat();
            let on_the_database = here.run(&command).await.success().stdout;
            assert_eq!(there.run(&command).await.success().stdout, on_the_database, "{command:?}");
            compared += usize::from(!on_the_database.is_empty());
        }
    }
    compared
}

#[tokio::test]
async fn budgets_usage_and_deployments_are_printed_the_same_through_the_server_and_on_the_database() {
    let folder = Folder::new("remote-same-too");
    let here = with_data(&folder).await;
    let (server, address) = here.up().await;
    let there = elsewhere(&address, &key(&here).await);
    there.run(&["apply", "-f", &folder.write("count.yaml", COUNT)]).await.success();
    there.run(&["users", "create", "--email", "ada@example.com"]).await.success();
    there.run(&["budgets", "set", "--agent", "teller", "--usd", "2.5", "--period", "day"]).await.success();
    there.run(&["budgets", "set", "--user", "ada@example.com", "--tokens", "1000"]).await.success();
    let deployment = ["deployments", "create", "--name", "counter", "--workflow", "count", "--env", r#"{"A": "b"}"#];
    let deployment = there.run(&[&deployment[..], &["--json"]].concat()).await.success().value();
    let deployment = deployment["deployment"].as_str().unwrap();
    there.run(&["deployments", "activate", deployment]).await.success();
    let commands = [
        &["budgets", "list"][..],
        &["budgets", "list", "--user", "ada@example.com"],
        &["usage", "--by", "model"],
        &["deployments", "list", "--status", "running"],
        &["deployments", "show", deployment],
        &["deployments", "revisions", deployment],
        &["deployments", "health", deployment],
    ];
    let compared = compared(&here, &there, &commands).await;
    assert!(compared > 10, "only {compared} had something to say");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn everything_that_a_key_may_do_can_be_done_from_elsewhere() {
    let folder = Folder::new("remote-does");
    let here = with_data(&folder).await;
    let (server, address) = here.up().await;
    let there = elsewhere(&address, &key(&here).await);
    for (name, text) in [("paid.yaml", PAID), ("asking.yaml", ASKING), ("for-ever.yaml", FOR_EVER)] {
        there.run(&["apply", "-f", &folder.write(name, text)]).await.success();
    }
    let start = async |workflow: &str| {
        let started = there.run(&["executions", "start", workflow, "--idempotency-key", workflow]).await.success();
        started.stdout.trim().to_owned()
    };
    let output = async |id: &str| there.run(&["executions", "wait", id]).await.success().value();

    let (paid, asking, never) = (start("paid").await, start("asking").await, start("for-ever").await);
    assert_eq!(start("paid").await, paid, "one key is one start");
    let late = there.run(&["executions", "wait", &paid, "--timeout", "0"]).await.failure();
    assert!(late.stderr.contains("has not ended within 0 s"), "{}", late.stderr);
    there.run(&["events", "send", "order.paid", "--payload", r#"{"order": 7}"#]).await.success();
    assert_eq!(output(&paid).await, json!({ "order": 7 }));
    crate::turbocat::within("it waits for a decision", async {
        let mut look = tokio::time::interval(crate::turbocat::LOOK);
        while there.run(&["approvals", "list", "--json"]).await.success().values().is_empty() {
            look.tick().await;
        }
    })
    .await;
    there.run(&["approvals", "approve", &asking, "ask", "--button", "later"]).await.success();
    assert_eq!(output(&asking).await, json!({ "button": "later" }));
    there.run(&["executions", "cancel", &never]).await.success();
    let ended = there.run(&["executions", "wait", &never, "--json"]).await.failure().value();
    assert_eq!(ended["status"], "cancelled");

    let templates = there.run(&["templates", "list", "--json"]).await.success().values();
    let template = templates.iter().find(|template| template["type"] == "workflow").unwrap();
    let template = template["template"].as_str().unwrap();
    let copied = there.run(&["templates", "use", template, "--name", "mine"]).await.success().stdout;
    assert!(copied.contains("mine: created"), "{copied}");
    let value = folder.write("value.txt", "hunter2hunter2\n");
    there.run(&["secrets", "set", "TOKEN", "--file", &value]).await.success();
    assert!(there.run(&["secrets", "list"]).await.success().stdout.starts_with("TOKEN"));
    there.run(&["secrets", "delete", "TOKEN"]).await.success();
    there.run(&["users", "create", "--email", "ada@example.com"]).await.success();
    let made = there.run(&["keys", "create", "--user", "ada@example.com", "--name", "ci", "--scope", "*", "--json"]);
    let made = made.await.success().value();
    let listed = there.run(&["keys", "list", "--user", "ada@example.com"]).await.success().stdout;
    let key = made["key"].as_str().unwrap();
    assert!(listed.contains(key), "{listed}");
    there.run(&["keys", "revoke", key]).await.success();
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn budgets_and_deployments_are_made_changed_and_taken_away_from_elsewhere() {
    let folder = Folder::new("remote-deploys");
    let here = with_data(&folder).await;
    let (server, address) = here.up().await;
    let there = elsewhere(&address, &key(&here).await);
    there.run(&["apply", "-f", &folder.write("count.yaml", COUNT)]).await.success();
    let done = async |command: &[&str]| there.run(command).await.success().stdout.trim().to_owned();

    let set = async |usd| there.run(&["budgets", "set", "--usd", usd, "--json"]).await.success().value();
    let (first, raised) = (set("0.1").await, set("0.3").await);
    assert_eq!((&raised["id"], &raised["amount"]), (&first["id"], &json!(300_000_000)), "{raised}");
    done(&["budgets", "delete", first["id"].as_str().unwrap()]).await;
    assert_eq!(done(&["budgets", "list"]).await, "");

    let made = done(&["deployments", "create", "--name", "counter", "--workflow", "count"]).await;
    let (id, rest) = made.split_once(": ").unwrap();
    assert_eq!(rest, "counter in production: stopped, revision 1");
    let nothing = there.run(&["deployments", "create", "--name", "none"]).await;
    said(nothing, "name what is to be deployed");
    let changed = done(&["deployments", "update", id, "--config", r#"{"input": {"text": "a b"}}"#]).await;
    assert!(changed.ends_with("stopped, revision 2"), "{changed}");
    assert!(done(&["deployments", "activate", id]).await.ends_with("running, revision 2"));
    let started = done(&["deployments", "start", id]).await;
    assert_eq!(there.run(&["executions", "wait", &started]).await.success().value(), json!({ "words": 2 }));
    assert!(done(&["deployments", "rollback", id]).await.ends_with("running, revision 3"));
    assert!(!done(&["deployments", "key", id]).await.is_empty());
    assert!(done(&["deployments", "stop", id]).await.contains("stop"));
    done(&["deployments", "delete", id]).await;
    said(there.run(&["deployments", "show", id]).await, "there is no deployment");
    assert!(done(&["deployments", "restore", id]).await.ends_with("stopped, revision 3"));
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

/// What was said of a failure.
fn said(answer: Answer, words: &str) {
    let answer = answer.failure();
    assert!(answer.stderr.contains(words) && answer.stdout.is_empty(), "{words}: {}{}", answer.stdout, answer.stderr);
    // What a key looks like may be told, and no key.
    let mut keys = answer.stderr.split("tc_live_").skip(1);
    assert!(keys.all(|rest| rest.starts_with('…')), "{}", answer.stderr);
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_says_what_it_is_and_what_to_do() {
    let here = Turbocat::with_database().await;
    let folder = Folder::new("remote-wrong");
    let (server, address) = here.up().await;
    let key = key(&here).await;
    let there = elsewhere(&address, &key);
    let list = ["executions", "list"];

    said(elsewhere(&address, "").run(&list).await, "set TURBOCAT_API_KEY");
    said(elsewhere(&address, "tc_live_nobody").run(&list).await, "→ set TURBOCAT_API_KEY to a key that stands");
    said(elsewhere("127.0.0.1:1", &key).run(&list).await, "→ does `turbocat up` run there");
    said(
        Turbocat::with_options(&["--server=127.0.0.1:1".to_owned()])
            .with_variable("TURBOCAT_API_KEY", "k")
            .run(&list)
            .await,
        "is not the address of a server",
    );
    said(there.run(&["executions", "show", "exe_00000000000000000000000000000000"]).await, "there is no execution");
    said(there.run(&["executions", "start", "nothing"]).await, "there is no workflow `nothing`");
    said(there.run(&["keys", "list", "--user", "nobody@example.com"]).await, "there is no user `nobody@example.com`");
    said(there.run(&["secrets", "delete", "NOTHING"]).await, "there is no secret `NOTHING`");
    said(there.run(&["secrets", "rotate"]).await, "run `turbocat secrets rotate` there");
    for command in [&["up"][..], &["doctor"], &["migrate", "status"], &["seed"], &["audit", "verify"]] {
        said(there.run(command).await, &format!("`turbocat {}` works on this machine and its database", command[0]));
    }
    assert_eq!(there.run(&["executions", "show", "nonsense"]).await.status.code(), Some(2));
    let both = here.with_variable("TURBOCAT_SERVER", &format!("http://{address}"));
    said(both.run(&list).await, "a server and a database are named");

    let good = folder.write("good.yaml", COUNT);
    let bad =
        folder.write("bad.yaml", "\nname: bad\nsteps:\n  - { key: a, type: agent, agent: nobody-is-called-so }\n");
    let refused = there.run(&["apply", "-f", &good, &bad]).await.failure();
    assert!(refused.stderr.contains(&format!("{bad}:4: ")), "{}", refused.stderr);
    assert!(refused.stderr.contains("1 problem in the documents"), "{}", refused.stderr);
    let problems = there.run(&["apply", "-f", &good, &bad, "--json"]).await.failure().value()["problems"].clone();
    assert_eq!((&problems[0]["file"], &problems[0]["line"]), (&json!(bad), &json!(4)));
    there.run(&["apply", "-f", &good]).await.success();
    let refused = there.run(&["run", "--workflow", "count"]).await.failure();
    assert!(
        refused.stderr.contains("/input") && refused.stderr.contains("→ give it with --input"),
        "{}",
        refused.stderr
    );
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_key_that_may_little_is_told_what_it_may_not() {
    let here = Turbocat::with_database().await;
    let (server, address) = here.up().await;
    let made = here.run(&["keys", "create", "--name", "narrow", "--scope", "executions:read"]).await.success();
    let there = elsewhere(&address, made.stdout.trim());

    there.run(&["executions", "list"]).await.success();
    let refused = there.run(&["executions", "start", "count"]).await.failure();

    assert!(
        refused.stderr.contains("executions:start") && refused.stderr.contains("→ use a key"),
        "{}",
        refused.stderr
    );
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn who_looks_on_survives_a_restart_of_the_server_and_ctrl_c_leaves_the_execution_to_it() {
    let here = Turbocat::with_database().await;
    let folder = Folder::new("remote-restart");
    let (first, address) = here.up().await;
    let there = elsewhere(&address, &key(&here).await);
    let (paid, never) = (folder.write("paid.yaml", PAID), folder.write("for-ever.yaml", FOR_EVER));

    let mut left = there.start(&["run", &never, "--json"]);
    let accepted = left.line(|event| event["event"] == "accepted").await;
    left.signal("INT").await;
    left.line(|event| event["event"] == "left").await;
    assert_eq!(left.end().await.code(), Some(130));
    here.until(accepted["execution"].as_str().unwrap(), "running").await;

    let mut run = there.start(&["run", &paid, "--json"]);
    let accepted = run.line(|event| event["event"] == "accepted").await;
    here.until(accepted["execution"].as_str().unwrap(), "running").await;
    first.signal("TERM").await;
    assert_eq!(first.end().await.code(), Some(0));
    let second = here.up_at(&address).await;
    there.run(&["events", "send", "order.paid", "--payload", r#"{"order": 9}"#]).await.success();

    let ended = run.line(|event| event["event"] == "ended").await;
    assert_eq!((&ended["status"], &ended["output"]), (&json!("completed"), &json!({ "order": 9 })));
    assert_eq!(run.end().await.code(), Some(0));
    second.signal("TERM").await;
    assert_eq!(second.end().await.code(), Some(0));
}
