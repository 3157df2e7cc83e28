//! Agents from the outside: real child processes, a real client against a small server of our own.

#[cfg(test)]
mod api;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod code;
#[cfg(test)]
mod config;
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod data;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod llm;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod python;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod server;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod travel;
#[cfg(test)]
mod upsets;
