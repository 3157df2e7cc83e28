//! The tools of an LLM agent: other agents, workflows, HTTP operations, and those of MCP servers.
//!
//! # Invariants
//!
//! 1. A tool is called only with an input that fits its schema; what does not fit is told to the model.
//! 2. What a call came to is durable before the model hears of it, and a call that is durable is not made again.
//! 3. A call has the key of its place in the conversation: the other side recognises a repetition by it.

mod call;
mod config;
mod ready;
mod within;

pub(super) use self::{
    call::Caller,
    config::{Operation, Tool},
};
