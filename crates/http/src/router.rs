//! All routes, and the answers to what is none.

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, Uri},
    middleware,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use turbocat_application::{Access, UseCases};
use turbocat_domain::port::{ExecutionAcceptor, IdGenerator};
use utoipa::openapi::OpenApi;

use crate::{
    Problem, ProblemCode, Readiness, RequestMeter, Route, api::Api, frame::frame, openapi, route, streams::Streams,
};

/// What the handlers need.
#[derive(Clone)]
pub struct State {
    /// Says whether the process can do its work.
    pub readiness: Arc<dyn Readiness>,
    /// What is asked for.
    pub use_cases: UseCases,
    /// Who asks.
    pub access: Access,
    /// Takes in executions.
    pub acceptor: Arc<dyn ExecutionAcceptor>,
    /// New identifiers.
    pub ids: Arc<dyn IdGenerator>,
    /// Cancelled when the server ends: what waits and what streams ends with it.
    pub shutdown: CancellationToken,
    /// Whether clients come by TLS alone.
    pub(crate) is_over_tls: bool,
    /// Counts requests.
    pub(crate) meter: Option<Arc<dyn RequestMeter>>,
    /// What nobody waits for.
    pub(crate) background: TaskTracker,
    /// The streams that are open.
    pub(crate) streams: Streams,
}

impl State {
    /// The state of a server.
    #[must_use]
    pub fn new(
        readiness: Arc<dyn Readiness>,
        (use_cases, access): (UseCases, Access),
        (acceptor, ids): (Arc<dyn ExecutionAcceptor>, Arc<dyn IdGenerator>),
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            readiness,
            use_cases,
            access,
            acceptor,
            ids,
            shutdown,
            is_over_tls: false,
            meter: None,
            background: TaskTracker::new(),
            streams: Streams::default(),
        }
    }

    /// The same, for a listener that speaks TLS.
    #[must_use]
    pub fn over_tls(self, is_over_tls: bool) -> Self {
        Self { is_over_tls, ..self }
    }

    /// The same, whose requests are counted.
    #[must_use]
    pub fn metered(self, meter: Arc<dyn RequestMeter>) -> Self {
        Self { meter: Some(meter), ..self }
    }

    /// Awaits what was begun and nobody waits for.
    pub async fn settle(&self) {
        self.background.close();
        self.background.wait().await;
        self.background.reopen();
    }
}

/// Puts the routes together.
pub fn router(state: State) -> Router {
    let (api, document, _) = api(state.clone()).finish();
    let frame = middleware::from_fn_with_state(state.clone(), frame);
    Router::new()
        .merge(route::health::routes())
        .merge(route::document::routes(&document))
        .merge(api)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(frame)
        .with_state(state)
}

/// The document of the API.
#[must_use]
pub fn document(state: State) -> OpenApi {
    api(state).finish().1
}

/// All routes of the API, with what they need.
#[must_use]
pub fn routes(state: State) -> Vec<Route> {
    api(state).finish().2
}

fn api(state: State) -> Api {
    let api = Api::new(openapi::base(), state);
    let api = route::workflow::routes(api);
    let api = route::agent::routes(api);
    let api = route::agent_type::routes(api);
    let api = route::execution::routes(api);
    let api = route::execution_request::routes(api);
    let api = route::budget::routes(api);
    let api = route::bulk::routes(api);
    let api = route::execution_events::routes(api);
    let api = route::session::routes(api);
    let api = route::password_reset::routes(api);
    let api = route::email_verification::routes(api);
    let api = route::key::routes(api);
    let api = route::secret::routes(api);
    let api = route::user::routes(api);
    let api = route::audit_log::routes(api);
    let api = route::template::routes(api);
    let api = route::deployment::routes(api);
    let api = route::deployment_life::routes(api);
    let api = route::endpoint::routes(api);
    let api = route::waiting::routes(api);
    route::webhook::routes(api)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(ProblemCode::NotFound).with_detail(format!("there is nothing at {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed).with_detail(format!("{} does not take {method}", uri.path()))
}
