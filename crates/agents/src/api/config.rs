//! The configuration of an API agent.

use reqwest::{Method, header::HeaderName};
use serde_json::Value;
use turbocat_domain::{expression::Mapping, limits, problem::Problems};

use super::{
    auth::Auth,
    pages::Pages,
    redirect::{REDIRECTS_DEFAULT, REDIRECTS_MAX},
};
use crate::config::{Reader, Reads, parse_mapping};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Headers that belong to the connection, or that the client makes itself.
const RESERVED_HEADERS: [&str; 9] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// The configuration of an API agent.
#[derive(Debug)]
pub(crate) struct Config {
    pub(super) method: Method,
    pub(super) url: Mapping,
    pub(super) headers: Vec<(HeaderName, Mapping)>,
    pub(super) auth: Option<Auth>,
    pub(super) query: Option<Mapping>,
    pub(super) body: Option<Mapping>,
    pub(super) response: Option<Mapping>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) accept_status: Vec<u16>,
    /// The most redirects that are followed.
    pub(super) redirects: u32,
    pub(super) pages: Option<Pages>,
    /// The JSON Schema that the body of an answer must fit.
    pub(super) response_schema: Option<Value>,
}

impl Config {
    pub(crate) fn read(config: &Value) -> Result<Self, Problems> {
        let mut reader = Reader::new(config);
        let method = reader.word("method", &METHODS).unwrap_or("GET");
        let url = read_url(&mut reader);
        let headers = read_headers(&mut reader);
        let query = reader.mapping("query", Reads::Input);
        if reader.value("query").is_some_and(Value::is_array) {
            reader.problem("query", "must be an object of names and values, not a list");
        }
        let body = reader.mapping("body", Reads::Input);
        let auth = read_auth(&mut reader, &headers);
        let response = reader.mapping("response", Reads::Output);
        let timeout_ms = reader.integer("timeout_ms", &(1..=limits::API_TIMEOUT_MS));
        let accept_status = read_statuses(&mut reader);
        let redirects =
            reader.integer("redirects", &(0..=REDIRECTS_MAX.into())).and_then(|most| u32::try_from(most).ok());
        let pages = Pages::read(&mut reader);
        if pages.is_some() && (method != "GET" || body.is_some()) {
            reader.problem("pages", "are asked for with `GET`, and without a `body`");
        }
        let response_schema = reader.value("response_schema").cloned();
        if response_schema.as_ref().is_some_and(|schema| !schema.is_object()) {
            reader.problem("response_schema", "must be a JSON Schema, an object");
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        reader.finish(url.map(|url| Self {
            method,
            url,
            headers,
            auth,
            query,
            body,
            response,
            timeout_ms,
            accept_status,
            redirects: redirects.unwrap_or(REDIRECTS_DEFAULT),
            pages,
            response_schema,
        }))
    }
}

fn read_url(reader: &mut Reader<'_>) -> Option<Mapping> {
    let text = reader.required_text("url", "where the request goes")?;
    if !text.trim_start().starts_with("${{") && !text.starts_with("https://") && !text.starts_with("http://") {
        reader.problem("url", "must begin with `https://`, `http://` or an expression");
    }
    reader.mapping("url", Reads::Input)
}

fn read_headers(reader: &mut Reader<'_>) -> Vec<(HeaderName, Mapping)> {
    let Some(value) = reader.value("headers") else { return Vec::new() };
    let Some(entries) = value.as_object() else {
        reader.problem("headers", "must be an object of names and values");
        return Vec::new();
    };
    let mut headers = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let key = format!("headers.{name}");
        match read_header_name(name) {
            Ok(header) => match parse_mapping(value, &reader.path(&key), Reads::Secrets) {
                Ok(mapping) => headers.push((header, mapping)),
                Err(problems) => reader.problems(problems),
            },
            Err(problem) => reader.problem(&key, problem),
        }
    }
    headers
}

/// The name of a header that an author may set, or what is wrong with it.
pub(super) fn read_header_name(name: &str) -> Result<HeaderName, &'static str> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(header) if RESERVED_HEADERS.contains(&header.as_str()) => Err("cannot be set: it belongs to the connection"),
        Ok(header) => Ok(header),
        Err(_) => Err("is not the name of a header"),
    }
}

fn read_auth(reader: &mut Reader<'_>, headers: &[(HeaderName, Mapping)]) -> Option<Auth> {
    let auth = Auth::read(reader)?;
    if headers.iter().any(|(name, _)| *name == auth.header()) {
        reader.problem("auth", format!("cannot stand beside the header `{}`, which it sets", auth.header()));
    }
    if auth.signs_body() && reader.value("body").is_none() {
        reader.problem("auth", "has nothing to sign: there is no `body`");
    }
    Some(auth)
}

fn read_statuses(reader: &mut Reader<'_>) -> Vec<u16> {
    let Some(value) = reader.value("accept_status") else { return Vec::new() };
    let read =
        |item: &Value| item.as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| (200..600).contains(code));
    let statuses: Option<Vec<u16>> = value.as_array().and_then(|items| items.iter().map(read).collect());
    if statuses.is_none() {
        reader.problem("accept_status", "must be a list of status codes from 200 to 599");
    }
    statuses.unwrap_or_default()
}
