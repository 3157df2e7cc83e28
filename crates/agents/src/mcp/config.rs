//! The MCP servers that the operator declares.
//!
//! A command is code that runs on the operator's machine, so agents cannot bring one: they name a server that is
//! declared here. The form is that of other clients of the protocol.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use serde_json::Value;
use turbocat_domain::{limits, problem::Problems};

use crate::{config::Reader, secret::Secret};

/// The declared servers by the names that agents use.
pub type McpServers = BTreeMap<String, McpServer>;

/// A server of tools that the operator declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer(pub(super) Declared);

/// How it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Declared {
    /// A program that is started for each attempt, and speaks through its pipes.
    Program(ServerProgram),
    /// A server that speaks streamable HTTP.
    Remote {
        /// Where it is.
        url: Url,
        /// What every request carries; the values are kept like secrets.
        headers: Vec<(HeaderName, Secret)>,
    },
}

/// The program of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerProgram {
    /// A path, or what is looked for in `PATH`.
    pub(crate) command: String,
    pub(crate) arguments: Vec<String>,
    /// Its environment, beside what every program needs.
    pub(crate) environment: Vec<(String, String)>,
    /// The part of its environment that is kept out of answers and logs.
    pub(crate) secrets: Vec<(String, Secret)>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) memory_mb: u32,
}

/// Why a text declares no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this declares no MCP server: {0}")]
pub struct InvalidMcpServer(String);

impl McpServer {
    /// Reads a declaration: `{ "command", "args", "env", "secrets", "cwd", "memory_mb" }`, or `{ "url", "headers" }`.
    ///
    /// # Errors
    ///
    /// [`InvalidMcpServer`] with everything that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidMcpServer> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| InvalidMcpServer(format!("it is not JSON: {error}")))?;
        Self::read(&value).map_err(|problems| InvalidMcpServer(problems.to_string()))
    }

    fn read(value: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(value);
        // What other clients write beside it, and what says nothing that the rest does not.
        let _kind = reader.word("type", &["stdio", "http", "streamable-http"]);
        let command = reader.text("command").map(str::to_owned);
        let arguments = read_arguments(&mut reader);
        let environment = read_texts(&mut reader, "env");
        let secrets = read_texts(&mut reader, "secrets");
        let folder = reader.text("cwd").map(PathBuf::from);
        let memory_mb = reader.integer("memory_mb", &(16..=1 << 20)).and_then(|most| u32::try_from(most).ok());
        let url = reader.text("url").map(str::to_owned);
        let headers = read_headers(&mut reader);
        let declared = match (command, url) {
            (Some(command), None) => Some(Declared::Program(ServerProgram {
                command,
                arguments,
                environment,
                secrets: secrets.into_iter().map(|(name, value)| (name, Secret::new(value))).collect(),
                folder,
                memory_mb: memory_mb.unwrap_or(limits::MCP_MEMORY_MB_DEFAULT),
            })),
            (None, Some(url)) => {
                let parsed = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
                if parsed.is_none() {
                    reader.problem("url", "must be an address that begins with `https://` or `http://`");
                }
                parsed.map(|url| Declared::Remote { url, headers })
            }
            (Some(_), Some(_)) => {
                reader.problem("url", "cannot stand beside `command`");
                None
            }
            (None, None) => {
                reader.problem("command", "is missing: the program (or `url`, where the server is)");
                None
            }
        };
        reader.finish(declared.map(Self))
    }

    /// What is kept out of answers and logs.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let values = match &self.0 {
            Declared::Program(program) => program.secrets.iter().map(|(_, value)| value).collect::<Vec<_>>(),
            Declared::Remote { headers, .. } => headers.iter().map(|(_, value)| value).collect(),
        };
        values.into_iter()
    }
}

fn read_arguments(reader: &mut Reader<'_>) -> Vec<String> {
    let Some(value) = reader.value("args") else { return Vec::new() };
    let texts = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    texts.unwrap_or_else(|| {
        reader.problem("args", "must be a list of texts");
        Vec::new()
    })
}

fn read_texts(reader: &mut Reader<'_>, key: &'static str) -> Vec<(String, String)> {
    let Some(value) = reader.value(key) else { return Vec::new() };
    let pair = |(name, value): (&String, &Value)| {
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        value.as_str().filter(|value| is_name && !value.contains('\0')).map(|value| (name.clone(), value.to_owned()))
    };
    let pairs = value.as_object().and_then(|members| members.iter().map(pair).collect());
    pairs.unwrap_or_else(|| {
        reader.problem(key, "must be an object of names and texts");
        Vec::new()
    })
}

fn read_headers(reader: &mut Reader<'_>) -> Vec<(HeaderName, Secret)> {
    let mut headers = Vec::new();
    for (name, value) in read_texts(reader, "headers") {
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(_)) => headers.push((name, Secret::new(value))),
            _ => reader.problem(&format!("headers.{name}"), "is not a header"),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_a_program_or_an_address() {
        let text =
            r#"{ "command": "npx", "args": ["-y", "server"], "env": { "A": "b" }, "secrets": { "T": "t0psecret" } }"#;
        let server = McpServer::parse(text).unwrap();
        let Declared::Program(program) = &server.0 else { panic!("{server:?}") };
        assert_eq!((program.command.as_str(), program.arguments.len(), program.memory_mb), ("npx", 2, 1_024));
        assert_eq!(server.secrets().collect::<Vec<_>>(), [&Secret::new("t0psecret")]);

        let text =
            r#"{ "type": "http", "url": "https://mcp.example.com/mcp", "headers": { "Authorization": "Bearer t" } }"#;
        let server = McpServer::parse(text).unwrap();
        assert!(matches!(&server.0, Declared::Remote { headers, .. } if headers.len() == 1), "{server:?}");
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        for (text, told) in [
            ("npx -y server", "it is not JSON"),
            ("{}", "is missing: the program"),
            (r#"{ "command": "a", "url": "https://b" }"#, "cannot stand beside `command`"),
            (r#"{ "comand": "a" }"#, "did you mean `command`?"),
            (r#"{ "command": "a", "args": [1] }"#, "must be a list of texts"),
            (r#"{ "url": "file:///etc/passwd" }"#, "must be an address"),
        ] {
            let error = McpServer::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
