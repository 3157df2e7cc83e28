//! `/health` and `/ready`.

use async_trait::async_trait;
use serde_json::json;
use turbocat_http::{Check, Readiness};

use crate::world::{Ask, Fixed, World};

struct Never;

#[async_trait]
impl Readiness for Never {
    async fn check(&self) -> Vec<Check> {
        std::future::pending().await
    }
}

fn check(name: &'static str, problem: Option<&str>) -> Check {
    Check { name, problem: problem.map(str::to_owned) }
}

async fn ask(readiness: impl Readiness + 'static, path: &str) -> crate::world::Answer {
    World::with_readiness(readiness).await.send(Ask { path, ..Ask::default() }).await
}

#[tokio::test]
async fn a_process_is_healthy_whatever_its_database_does() {
    assert_eq!(ask(Never, "/health").await.expect(200)["status"], "ok");
}

#[tokio::test]
async fn it_is_ready_when_all_checks_pass() {
    let body = ask(Fixed(vec![check("database", None)]), "/ready").await.expect(200);

    assert_eq!(body["checks"]["database"], "ok");
}

#[tokio::test]
async fn one_failed_check_makes_it_not_ready_and_is_named() {
    let checks = vec![check("database", Some("does not answer")), check("engine", None)];
    let body = ask(Fixed(checks), "/ready").await.problem(503, "not_ready");

    assert_eq!(body["checks"], json!({ "database": "does not answer", "engine": "ok" }));
}

#[tokio::test(start_paused = true)]
async fn checks_that_hang_are_not_waited_for() {
    ask(Never, "/ready").await.problem(503, "not_ready");
}
