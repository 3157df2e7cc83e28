//! The document of the API as a page for people: plain HTML, without a script and without anything from elsewhere.

use std::fmt::Write;

use serde_json::Value;
use utoipa::openapi::OpenApi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    h2{margin-top:3rem}article{border-top:1px solid #ccc;padding:.5rem 0}code{background:#f3f3f3;padding:.1rem .3rem}\
    pre{background:#f3f3f3;padding:1rem;overflow:auto}table{border-collapse:collapse}td,th{border:1px solid #ccc;\
    padding:.2rem .6rem;text-align:left;vertical-align:top}";

/// The page.
pub(crate) fn page(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut html = String::new();
    let _written = write_page(&mut html, &document);
    html
}

fn write_page(html: &mut String, document: &Value) -> std::fmt::Result {
    let (title, about) = (text(at(document, "/info/title")), text(at(document, "/info/description")));
    write!(html, "<!doctype html><html lang=en><meta charset=utf-8><title>{title}: the HTTP API</title>")?;
    write!(
        html,
        "<meta name=viewport content='width=device-width'><style>{STYLE}</style><h1>{title}</h1><p>{about}</p>"
    )?;
    write!(html, "<p>For programs: <a href=openapi.json>openapi.json</a>.</p>")?;
    for tag in document["tags"].as_array().into_iter().flatten() {
        write!(html, "<h2>{}</h2><p>{}</p>", text(&tag["name"]), text(&tag["description"]))?;
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"].as_array().is_some_and(|tags| tags.contains(&tag["name"])) {
                    write_operation(html, (method, path), operation)?;
                }
            }
        }
    }
    write!(html, "<h2>Schemas</h2>")?;
    for (name, schema) in at(document, "/components/schemas").as_object().into_iter().flatten() {
        let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
        write!(html, "<article id='{0}'><h3>{0}</h3><pre>{1}</pre></article>", escape(name), escape(&pretty))?;
    }
    write!(html, "</html>")
}

fn write_operation(html: &mut String, (method, path): (&str, &str), operation: &Value) -> std::fmt::Result {
    let method = method.to_uppercase();
    write!(html, "<article><h3><code>{method} {}</code></h3>", escape(path))?;
    write!(html, "<p>{} {}</p>", text(&operation["summary"]), text(&operation["description"]))?;
    if let Some(permission) = operation["x-permission"].as_str() {
        write!(html, "<p>Needs <code>{}</code>.</p>", escape(permission))?;
    }
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        write!(html, "<table><tr><th>parameter<th>in<th>what it says")?;
        for parameter in parameters {
            let [name, place, about] = ["name", "in", "description"].map(|member| text(&parameter[member]));
            write!(html, "<tr><td><code>{name}</code><td>{place}<td>{about}")?;
        }
        write!(html, "</table>")?;
    }
    for (media, content) in at(operation, "/requestBody/content").as_object().into_iter().flatten() {
        write!(html, "<p>Body, <code>{}</code>: {}</p>", escape(media), schema_link(&content["schema"]))?;
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let contents = response["content"].as_object().into_iter().flatten();
        let links: Vec<String> = contents.map(|(_, content)| schema_link(&content["schema"])).collect();
        write!(html, "<p>{}: {} {}</p>", escape(status), text(&response["description"]), links.join(", "))?;
    }
    write!(html, "</article>")
}

fn schema_link(schema: &Value) -> String {
    let reference = at(schema, "/$ref").as_str().or_else(|| at(schema, "/items/$ref").as_str());
    match reference.and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => format!("<a href='#{0}'>{0}</a>", escape(name)),
        None => String::new(),
    }
}

/// What stands at a place of the document; null if nothing does.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        let attack = "<script>alert('1')</script>\"onload=\"x";
        let document = serde_json::json!({
            "info": { "title": attack, "description": attack },
            "paths": { attack: { "get": {
                "summary": attack, "description": attack, "tags": [attack], "operationId": attack,
                "x-permission": attack,
                "parameters": [{ "name": attack, "in": "query", "description": attack }],
                "requestBody": { "content": { attack: { "schema": { "$ref": attack } } } },
                "responses": { attack: { "description": attack, "content": { attack: { "schema": {} } } } },
            } } },
            "components": { "schemas": { attack: { "description": attack } } },
        });
        let mut html = String::new();
        write_page(&mut html, &document).unwrap();

        assert!(html.matches("&lt;script&gt;").count() >= 5, "{html}");
        assert!(!html.contains("<script") && !html.contains("\"onload") && !html.contains("alert('"), "{html}");
    }
}
