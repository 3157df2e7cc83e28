//! A typed client of the HTTP API of Turbocat, for programs in Rust and for the command line of Turbocat itself.
//!
//! It knows what the API promises, and nothing of how it is kept: no engine, no database. Identifiers and words (how an
//! execution stands, what an agent is) are those of [`turbocat_domain`].
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use serde_json::json;
//! use turbocat_client::{Client, Error, ExecutionEvent, StartExecution};
//!
//! # async fn example(key: String) -> Result<(), Error> {
//! let client = Client::builder("http://127.0.0.1:8484").api_key(key).user_agent("orders/1.4").build()?;
//! let order = StartExecution::named("ship-order").with_input(json!({ "order": 7 })).with_key("order-7");
//! let started = client.start(&order).await?;
//! let mut events = std::pin::pin!(client.follow(started.id));
//! while let Some(followed) = events.next().await {
//!     if let ExecutionEvent::Step(step) = followed?.event {
//!         println!("{} {}", step.path, step.status);
//!     }
//! }
//! println!("{}", client.execution(started.id).await?.output);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! 1. A request is sent again only where that cannot do a thing twice ([`Retries`]): what reads, what is the same when it
//!    is done again, what carries an `Idempotency-Key`, and what the server has not seen or has refused.
//! 2. A start, an event and a publication have one key for all their attempts; it is made here where none is given.
//! 3. The key of the API goes to the server that was named and nowhere else: no redirect is followed.
//! 4. Each type has exactly the members that `docs/openapi.json` says (`tests/document.rs`).

mod builder;
mod call;
mod client;
mod error;
mod operation;
mod page;
mod resource;
mod retry;
mod sse;
mod text;

pub use builder::ClientBuilder;
pub use call::Followed;
pub use client::Client;
pub use error::{Error, FieldError, Problem};
pub use operation::{Method, Operation, Repeat};
pub use page::{Page, Paged};
pub use resource::*;
pub use retry::Retries;
pub use turbocat_domain::id;
