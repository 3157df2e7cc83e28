//! Fields that are the server's to set, sent by clients: with every body that the document of the API describes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use turbocat_http::{Route, document, routes};

use crate::{
    bodies::body,
    matrix::{Scene, Target},
    world::{Answer, Ask, World, nobody},
};

/// What no view shows, and somebody might try all the same.
const HIDDEN: [&str; 10] = [
    "password_hash",
    "key_hash",
    "token_hash",
    "hash",
    "owner",
    "owner_id",
    "is_admin",
    "is_official",
    "deleted_at",
    "__proto__",
];

/// What authors say in documents.
const OF_WORKFLOWS: [&str; 9] =
    ["kind", "name", "description", "tags", "input", "output", "settings", "triggers", "steps"];
const OF_AGENTS: [&str; 12] = [
    "kind",
    "name",
    "type",
    "description",
    "config",
    "parameters",
    "capabilities",
    "max_execution_time",
    "max_memory_mb",
    "max_concurrent_executions",
    "tags",
    "public",
];

/// A place of a body whose fields are described: where it is, and which it has.
struct Place {
    pointer: String,
    fields: BTreeSet<String>,
}

/// The schema that a reference names.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// All places of a body whose fields are described.
fn places(document: &Value, schema: &Value, (body, pointer): (&Value, String), found: &mut Vec<Place>) {
    let schema = resolved(document, schema);
    match body {
        Value::Object(members) if schema["properties"].is_object() => {
            let fields = schema["properties"].as_object().unwrap();
            for (name, member) in members {
                if let Some(schema) = fields.get(name) {
                    places(document, schema, (member, format!("{pointer}/{name}")), found);
                }
            }
            found.push(Place { pointer, fields: fields.keys().cloned().collect() });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(document, &schema["items"], (item, format!("{pointer}/{index}")), found);
            }
        }
        // What a document of a workflow or an agent may say, the document of the API does not.
        Value::Object(members) if pointer.is_empty() => {
            let fields = if members.contains_key("steps") { &OF_WORKFLOWS[..] } else { &OF_AGENTS[..] };
            found.push(Place { pointer, fields: fields.iter().map(|field| (*field).to_owned()).collect() });
        }
        _ => {}
    }
}

/// Everything that some answer shows, and what none does.
fn of_the_server(document: &Value) -> BTreeSet<String> {
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let views = schemas.iter().filter(|(name, _)| name.contains("View"));
    let shown =
        views.filter_map(|(_, schema)| schema["properties"].as_object()).flat_map(|fields| fields.keys().cloned());
    shown.chain(HIDDEN.map(str::to_owned)).collect()
}

/// What somebody would like a field to be.
fn wished(field: &str, other: &str) -> Value {
    match field {
        "role" => json!("admin"),
        "id" => json!(nobody()),
        "scopes" | "permissions" => json!(["*"]),
        _ if field.ends_with("_id") || field.starts_with("owner") => json!(other),
        _ if field.ends_with("_at") => json!("2001-01-01T00:00:00Z"),
        _ if field.starts_with("is_") || field.ends_with("verified") => json!(true),
        _ if field.ends_with("_count") || field.starts_with("total") || field.starts_with("average") => json!(999_999),
        _ => json!("taken over"),
    }
}

/// The keys of who asks.
struct Keys {
    admin: String,
    owner: String,
}

impl Keys {
    async fn of(world: &World) -> Self {
        Self { admin: world.key(&world.admin, &["*"]).await, owner: world.key(&world.owner, &["*"]).await }
    }

    /// Everything that both can read in lists.
    async fn seen(&self, world: &World, listed: &[Route]) -> String {
        let mut seen = String::new();
        for route in listed.iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
            for key in [&self.admin, &self.owner] {
                let answer = world.get(key, &route.path).await;
                assert!([200, 403].contains(&answer.status.as_u16()), "{}: {}", route.path, answer.text);
                // What is refused is refused under an id of its own.
                if answer.status == 200 {
                    seen.push_str(&answer.text);
                }
            }
        }
        seen
    }

    async fn ask(&self, scene: &Scene, route: &Route, body: Value) -> Answer {
        let key = if route.path.starts_with("/api/v1/users") { &self.admin } else { &self.owner };
        let path = scene.path(route, Target::Owners);
        let ask = Ask { method: route.method, path: &path, key: Some(key), body: Some(body), ..Ask::default() };
        let answer = scene.world.send(ask).await;
        scene.world.state.settle().await;
        answer
    }
}

/// What both see after a request, asked in a world of its own, which is the same each time.
async fn seen_after(route: &Route, listed: &[Route], body: Value) -> (u16, String) {
    let scene = Scene::set().await;
    let keys = Keys::of(&scene.world).await;
    let status = keys.ask(&scene, route, body).await.status.as_u16();
    (status, keys.seen(&scene.world, listed).await)
}

#[tokio::test]
async fn no_body_sets_what_is_the_servers_to_set() {
    let world = World::new().await;
    let (described, listed) = (serde_json::to_value(document(world.state.clone())).unwrap(), routes(world.state));
    let fields = of_the_server(&described);
    let (mut asked, mut ignored, mut with_body) = (0, 0, 0);
    for route in listed.iter().filter(|route| route.path != "/api/v1/hooks/{id}") {
        let operation = &described["paths"][&route.path][route.method.to_lowercase()];
        let content = &operation["requestBody"]["content"]["application/json"];
        let Some(body) = body(route).filter(|_| content.is_object()) else { continue };
        let mut found = Vec::new();
        places(&described, &content["schema"], (&body, String::new()), &mut found);
        assert!(!found.is_empty(), "{} {}: its body has no fields", route.method, route.path);
        with_body += 1;
        let scene = Scene::set().await;
        let (keys, other) = (Keys::of(&scene.world).await, scene.world.other.id.to_string());
        let before = keys.seen(&scene.world, &listed).await;
        for place in &found {
            for field in fields.difference(&place.fields) {
                let mut body = body.clone();
                body.pointer_mut(&place.pointer).unwrap()[field] = wished(field, &other);
                let answer = keys.ask(&scene, route, body.clone()).await;
                asked += 1;
                let case = format!("{} {} with {}/{field}: {}", route.method, route.path, place.pointer, answer.text);
                if answer.status.is_success() {
                    ignored += 1;
                    let mut plain = body.clone();
                    plain.pointer_mut(&place.pointer).unwrap().as_object_mut().unwrap().remove(field);
                    let (with, without) =
                        (seen_after(route, &listed, body).await, seen_after(route, &listed, plain).await);
                    assert!(with == without, "{case} changes what is there");
                } else {
                    assert!(answer.status == 422 && answer.text.contains(field), "{case}");
                }
            }
        }
        if ignored == 0 {
            assert!(keys.seen(&scene.world, &listed).await == before, "{} {}", route.method, route.path);
        }
    }
    println!(
        "{with_body} bodies, {} fields, {asked} requests, {ignored} of them taken without the field",
        fields.len()
    );
    assert!(with_body >= 15 && fields.len() > 80 && asked > 1_000, "{with_body} {} {asked}", fields.len());
}
