//! The HTTP adapter: routes over the use cases, errors as problem documents, a listener that ends in time.
//!
//! # How to add a route
//!
//! A resource has one file in `route/`, with its handlers and a `routes()` that adds them with what they need
//! ([`Needs`]); [`router`] calls it. Handlers are thin: they take what they need out of the request, call one use case
//! (in a task of its own if it changes something) and answer `Result<_, Problem>`. What clients see is in `view/`. A new
//! problem `code` gets its page in `docs/problems/`, and a new route its line in `docs/openapi.json`, which a test
//! compares.

mod api;
mod auth;
mod detached;
mod etag;
mod extract;
mod frame;
mod listen;
mod manual;
mod metrics;
mod openapi;
mod outage;
mod page;
mod problem;
mod refusal;
mod route;
mod router;
mod serve;
mod sparse;
mod streams;
mod view;
mod words;

pub use api::{Needs, Route};
pub use listen::{Listener, Peer, Tls, TlsError};
pub use metrics::{Answered, Exposition, RequestMeter, metrics_router};
pub use problem::{FieldError, Problem, ProblemCode};
pub use route::health::{Check, Readiness};
pub use router::{State, document, router, routes};
pub use serve::{ServeError, serve};
pub use view::Shown;
