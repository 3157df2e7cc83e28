//! The HTTP adapter: routes over the use cases, errors as problem documents, a listener that ends in time.
//!
//! # How to add a route
//!
//! A resource has one file in `route/`, with its handlers and a `routes()` that names their paths; [`router`] merges
//! it. Handlers take what they need out of [`State`] and answer `Result<_, Problem>`; a new problem `code` gets its
//! page in `docs/problems/`.

mod problem;
mod route;
mod router;
mod serve;

pub use problem::{Problem, ProblemCode};
pub use route::health::{Check, Readiness};
pub use router::{State, router};
pub use serve::{ServeError, serve};
