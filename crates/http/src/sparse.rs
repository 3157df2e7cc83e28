//! `fields=`: an answer with no more fields than are asked for, for every route that shows a resource or a list of them.
//!
//! Which fields there are is read from the schema of the route's answer, so that no handler knows of this, and none can
//! be forgotten.
//!
//! # Invariants
//!
//! 1. A field that is not declared is refused, with the list of those that are.
//! 2. What is left out is only left out: what is there is as it would be without `fields`.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::{self, Body},
    extract::{Request, State as Extracted},
    http::{Uri, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};
use utoipa::openapi::{
    RefOr, Required,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Schema, Type},
};

use crate::{page::refused, refusal::internal};

const PARAMETER: &str = "fields";
const COMPONENTS: &str = "#/components/schemas/";

/// The fields that an answer may be cut to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Those that are declared, in their order.
    known: Arc<[String]>,
    /// Whether they are those of the items of a page.
    of_page: bool,
}

impl Fields {
    /// The fields of what an operation answers; nothing if that is no JSON with declared fields.
    pub(crate) fn of(operation: &Operation, schemas: &[(String, RefOr<Schema>)]) -> Option<Self> {
        let responses = serde_json::to_value(&operation.responses).ok()?;
        let schema = responses.get("200")?.get("content")?.get("application/json")?.get("schema")?;
        let schemas: Map<String, Value> = (schemas.iter())
            .filter_map(|(name, schema)| Some((name.clone(), serde_json::to_value(schema).ok()?)))
            .collect();
        let answer = resolved(schema, &schemas)?;
        let item = answer.get("properties").and_then(|properties| {
            let is_page = properties.get("next").is_some() && properties.get("items").is_some();
            if is_page { properties.get("items")?.get("items") } else { None }
        });
        let of_page = item.is_some();
        let shown = match item.or_else(|| answer.get("items")) {
            Some(item) => resolved(item, &schemas)?,
            None => answer,
        };
        let known: Vec<String> = shown.get("properties")?.as_object()?.keys().cloned().collect();
        if known.is_empty() { None } else { Some(Self { known: known.into(), of_page }) }
    }

    /// The parameter, as the document has it.
    pub(crate) fn parameter(&self) -> Parameter {
        let known = self.known.join(", ");
        ParameterBuilder::new()
            .name(PARAMETER)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(format!("Only these fields, with a comma between two. There are {known}.")))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build()
    }

    /// What a query asks for, if it does, and the query without that.
    fn asked(&self, query: &str) -> Result<Option<(BTreeSet<String>, String)>, String> {
        let (mut wanted, mut rest, mut is_asked) = (BTreeSet::new(), Vec::new(), false);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if name != PARAMETER {
                rest.push(pair);
                continue;
            }
            if std::mem::replace(&mut is_asked, true) {
                return Err(format!("it is there twice: write the fields with commas between them{}", self.told()));
            }
            // A comma may be encoded; no name of a field has anything that must be.
            for field in value.replace("%2C", ",").replace("%2c", ",").split(',') {
                if !self.known.iter().any(|known| known == field) {
                    let shown: String = field.chars().take(100).collect();
                    return Err(format!("there is no field `{shown}`{}", self.told()));
                }
                wanted.insert(field.to_owned());
            }
        }
        Ok(is_asked.then(|| (wanted, rest.join("&"))))
    }

    fn told(&self) -> String {
        format!(": there are {}", self.known.join(", "))
    }

    /// Takes everything else out of an answer.
    fn cut(&self, answer: &mut Value, wanted: &BTreeSet<String>) {
        let whole = match answer {
            Value::Object(members) if self.of_page => members.get_mut("items"),
            answer => Some(answer),
        };
        let keep = |item: &mut Value| {
            if let Value::Object(members) = item {
                members.retain(|name, _| wanted.contains(name));
            }
        };
        match whole {
            Some(Value::Array(items)) => items.iter_mut().for_each(keep),
            Some(item) => keep(item),
            None => {}
        }
    }
}

/// What a schema says, be it by its name.
fn resolved<'a>(schema: &'a Value, schemas: &'a Map<String, Value>) -> Option<&'a Value> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(place) => schemas.get(place.strip_prefix(COMPONENTS)?),
        None => Some(schema),
    }
}

/// Cuts an answer to the fields that are asked for.
pub(crate) async fn sparse(Extracted(fields): Extracted<Fields>, mut request: Request, next: Next) -> Response {
    let Some(query) = request.uri().query().filter(|query| query.contains(PARAMETER)) else {
        return next.run(request).await;
    };
    let (wanted, rest) = match fields.asked(query) {
        Ok(Some(asked)) => asked,
        Ok(None) => return next.run(request).await,
        Err(message) => return refused(PARAMETER, message).into_response(),
    };
    *request.uri_mut() = with_query(request.uri(), &rest);
    let response = next.run(request).await;
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !(response.status().is_success() && is_json) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let read = async {
        let bytes = body::to_bytes(body, usize::MAX).await.map_err(|error| internal(&error))?;
        serde_json::from_slice::<Value>(&bytes).map_err(|error| internal(&error))
    };
    match read.await {
        Ok(mut answer) => {
            fields.cut(&mut answer, &wanted);
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(answer.to_string()))
        }
        Err(problem) => problem.into_response(),
    }
}

/// The address with another query.
fn with_query(uri: &Uri, query: &str) -> Uri {
    let path = uri.path();
    let text = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut parts = uri.clone().into_parts();
    // What was cut out of a valid query leaves one.
    parts.path_and_query = text.parse::<PathAndQuery>().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(of_page: bool) -> Fields {
        Fields { known: ["id", "name"].map(str::to_owned).into(), of_page }
    }

    #[test]
    fn what_is_asked_for_is_taken_out_of_the_query() {
        let asked = |query| fields(false).asked(query);
        let both = BTreeSet::from(["id".to_owned(), "name".to_owned()]);

        assert_eq!(asked("limit=1&fields=id,name&after=x"), Ok(Some((both.clone(), "limit=1&after=x".to_owned()))));
        assert_eq!(asked("fields=name%2Cid"), Ok(Some((both, String::new()))));
        assert_eq!(asked("search=fields"), Ok(None));
        for wrong in ["fields=", "fields", "fields=id,", "fields=x", "fields=id&fields=name", "fields=ID"] {
            let message = asked(wrong).unwrap_err();
            assert!(message.ends_with(": there are id, name"), "{wrong}: {message}");
        }
    }

    #[test]
    fn everything_else_is_cut_out_of_one_of_a_list_and_of_a_page() {
        let wanted = BTreeSet::from(["id".to_owned()]);
        let cut = |of_page, mut answer: Value| {
            fields(of_page).cut(&mut answer, &wanted);
            answer
        };
        assert_eq!(cut(false, json!({ "id": 1, "name": "a" })), json!({ "id": 1 }));
        assert_eq!(cut(false, json!([{ "id": 1, "name": "a" }])), json!([{ "id": 1 }]));
        let page = json!({ "items": [{ "id": { "name": 1 }, "name": "a" }], "next": "n" });
        assert_eq!(cut(true, page), json!({ "items": [{ "id": { "name": 1 } }], "next": "n" }));
    }

    #[test]
    fn an_address_keeps_its_path_without_its_query() {
        let uri: Uri = "/api/v1/users?fields=id".parse().unwrap();
        assert_eq!(with_query(&uri, "").to_string(), "/api/v1/users");
        assert_eq!(with_query(&uri, "limit=1").to_string(), "/api/v1/users?limit=1");
    }
}
