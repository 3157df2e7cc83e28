//! The routes of the API, each with what it needs: a route that does not say so cannot be added.
//!
//! # Invariants
//!
//! 1. A request reaches its handler only when it has what the route needs; the handler finds there who asks.
//! 2. What a route shows can be cut to some of its fields.
//! 3. What a route needs is in the document too, and in the list that the authorisation tests walk over.

use axum::{Router, extract::DefaultBodyLimit, middleware};
use serde_json::json;
use turbocat_domain::permission::Permission;
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
    extensions::ExtensionsBuilder,
    path::{Operation, PathItem},
    security::SecurityRequirement,
};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::{
    State, auth,
    sparse::{Fields, sparse},
};

/// The bytes of a body, unless its route takes more.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What a request needs to reach a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is for everybody.
    Nothing,
    /// A credential that stands, whatever it may do.
    Account,
    /// A credential that may do this.
    Permission(Permission),
}

/// A route, as tests and metrics want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method, in upper case.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: String,
    /// What it needs.
    pub needs: Needs,
}

/// Routes that all say what they need.
pub(crate) struct Api {
    router: OpenApiRouter<State>,
    routes: Vec<Route>,
    state: State,
}

impl Api {
    /// No routes yet, of this document.
    pub(crate) fn new(document: OpenApi, state: State) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), routes: Vec::new(), state }
    }

    /// Adds the handlers of one path.
    pub(crate) fn route(self, needs: Needs, handlers: UtoipaMethodRouter<State>) -> Self {
        self.large_route(needs, BODY_BYTES_MAX, handlers)
    }

    /// Adds the handlers of one path whose bodies may have so many bytes.
    pub(crate) fn large_route(
        mut self,
        needs: Needs,
        body_bytes_max: usize,
        (schemas, mut paths, mut handlers): UtoipaMethodRouter<State>,
    ) -> Self {
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations(item) {
                describe(operation, needs);
                if let Some(fields) = Fields::of(operation, &schemas).filter(|_| method == "GET") {
                    operation.parameters.get_or_insert_default().push(RefOr::T(fields.parameter()));
                    handlers = handlers.route_layer(middleware::from_fn_with_state(fields, sparse));
                }
                self.routes.push(Route { method, path: path.clone(), needs });
            }
        }
        let gate = middleware::from_fn_with_state((self.state.clone(), needs), auth::gate);
        let handlers = handlers.route_layer(gate).layer(DefaultBodyLimit::max(body_bytes_max));
        self.router = self.router.routes((schemas, paths, handlers));
        self
    }

    /// The router, the document, and the list of routes.
    pub(crate) fn finish(self) -> (Router<State>, OpenApi, Vec<Route>) {
        let (router, document) = self.router.split_for_parts();
        (router, document, self.routes)
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)]
        .into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// Writes into the document what a route needs, and that every error is a problem document.
fn describe(operation: &mut Operation, needs: Needs) {
    operation.security = Some(match needs {
        Needs::Nothing => Vec::new(),
        Needs::Account | Needs::Permission(_) => {
            ["api_key", "session"].map(|scheme| SecurityRequirement::new(scheme, Vec::<String>::new())).to_vec()
        }
    });
    if let Needs::Permission(permission) = needs {
        let extension = ExtensionsBuilder::new().add("x-permission", json!(permission.as_str()));
        operation.extensions = Some(extension.build());
    }
    let problem: Content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemView"))).build();
    let response = ResponseBuilder::new()
        .description("A problem: its `code` says which, and has a page in the documentation")
        .content("application/problem+json", problem);
    operation.responses.responses.insert("default".to_owned(), RefOr::T(response.build()));
}
