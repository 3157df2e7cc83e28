//! All routes, and the answers to what is none.

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, Uri},
};

use crate::{Problem, ProblemCode, Readiness, route};

/// What the handlers need.
#[derive(Clone)]
pub struct State {
    /// Says whether the process can do its work.
    pub readiness: Arc<dyn Readiness>,
}

/// Puts the routes together.
pub fn router(state: State) -> Router {
    Router::new()
        .merge(route::health::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(ProblemCode::NotFound).with_detail(format!("there is nothing at {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed).with_detail(format!("{} does not take {method}", uri.path()))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use axum::{
        body::{self, Body},
        http::{Request, StatusCode, header},
    };
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::Check;

    struct Fixed(Vec<Check>);

    #[async_trait]
    impl Readiness for Fixed {
        async fn check(&self) -> Vec<Check> {
            self.0.clone()
        }
    }

    struct Never;

    #[async_trait]
    impl Readiness for Never {
        async fn check(&self) -> Vec<Check> {
            std::future::pending().await
        }
    }

    async fn ask(readiness: impl Readiness + 'static, method: &str, path: &str) -> (StatusCode, String, Value) {
        let router = router(State { readiness: Arc::new(readiness) });
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let body = body::to_bytes(response.into_body(), 64 * 1024).await.unwrap();
        (status, content_type, serde_json::from_slice(&body).unwrap())
    }

    fn check(name: &'static str, problem: Option<&str>) -> Check {
        Check { name, problem: problem.map(str::to_owned) }
    }

    #[tokio::test]
    async fn a_process_is_healthy_whatever_its_database_does() {
        let (status, content_type, body) = ask(Never, "GET", "/health").await;

        assert_eq!((status, content_type.as_str()), (StatusCode::OK, "application/json"));
        assert_eq!(body["status"], "ok");
    }

    #[tokio::test]
    async fn it_is_ready_when_all_checks_pass() {
        let (status, _, body) = ask(Fixed(vec![check("database", None)]), "GET", "/ready").await;

        assert_eq!((status, &body["checks"]["database"]), (StatusCode::OK, &Value::from("ok")));
    }

    #[tokio::test]
    async fn one_failed_check_makes_it_not_ready_and_is_named() {
        let checks = vec![check("database", Some("does not answer")), check("engine", None)];
        let (status, content_type, body) = ask(Fixed(checks), "GET", "/ready").await;

        assert_eq!((status, content_type.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "application/problem+json"));
        assert_eq!(body["code"], "not_ready");
        assert_eq!(body["checks"], serde_json::json!({ "database": "does not answer", "engine": "ok" }));
    }

    #[tokio::test(start_paused = true)]
    async fn checks_that_hang_are_not_waited_for() {
        let (status, _, body) = ask(Never, "GET", "/ready").await;

        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::from("not_ready")));
    }

    #[tokio::test]
    async fn what_is_not_there_or_not_so_is_a_problem_document() {
        for (method, path, status, code) in
            [("GET", "/nothing", 404, "not_found"), ("POST", "/health", 405, "method_not_allowed")]
        {
            let (answered, content_type, body) = ask(Never, method, path).await;
            assert_eq!((answered.as_u16(), content_type.as_str()), (status, "application/problem+json"));
            assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(u64::from(status))));
        }
    }
}
