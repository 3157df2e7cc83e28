//! What a template copies: checked when it is made, and changed when it is used.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use turbocat_domain::{
    document::Document,
    id::TemplateId,
    problem::{Problem, Problems},
    template::{NewTemplate, Template, TemplateType},
    value::{Category, Name, Tag},
};

use super::{TemplateChange, TemplateContent, TemplateUse};
use crate::{AgentDocument, Error, Result, SourceFile};

/// The template of a content, or all that is wrong with it.
pub(super) fn checked(id: TemplateId, content: TemplateContent, now: DateTime<Utc>) -> Result<Template> {
    let mut problems = Problems::default();
    let name = taken(&mut problems, ("invalid_name", "name"), Name::parse(content.name));
    let category = taken(&mut problems, ("invalid_category", "category"), Category::parse(content.category));
    let mut tags = Vec::new();
    for (place, tag) in content.tags.into_iter().enumerate() {
        tags.extend(taken(&mut problems, ("invalid_tag", &format!("tags[{place}]")), Tag::parse(tag)));
    }
    for problem in content_problems(content.kind, &content.template_data) {
        problems.push(below("template_data", problem));
    }
    let (Some(name), Some(category), true) = (name, category, problems.is_empty()) else {
        return Err(Error::Invalid(problems));
    };
    let new = NewTemplate { id, name, category, kind: content.kind, template_data: content.template_data };
    let (description, is_public) = (content.description, content.is_public);
    Ok(Template { description, tags, is_public, ..Template::new(new, now) })
}

/// A value, unless it is not valid, which is noted.
fn taken<T>(
    problems: &mut Problems,
    (code, path): (&'static str, &str),
    parsed: std::result::Result<T, impl Display>,
) -> Option<T> {
    parsed.map_err(|error| problems.add(code, path, error.to_string())).ok()
}

/// The template with a change, or all that is wrong with it.
pub(super) fn with_change(stored: &Template, change: TemplateChange, now: DateTime<Utc>) -> Result<Template> {
    let own_tags = || stored.tags.iter().map(ToString::to_string).collect();
    let content = TemplateContent {
        name: change.name.unwrap_or_else(|| stored.name.to_string()),
        description: change.description.or_else(|| stored.description.clone()).filter(|text| !text.is_empty()),
        category: change.category.unwrap_or_else(|| stored.category.to_string()),
        kind: stored.kind,
        template_data: change.template_data.unwrap_or_else(|| stored.template_data.clone()),
        tags: change.tags.unwrap_or_else(own_tags),
        is_public: change.is_public.unwrap_or(stored.is_public),
    };
    let next = checked(stored.id, content, now)?;
    Ok(Template {
        name: next.name,
        description: next.description,
        category: next.category,
        template_data: next.template_data,
        tags: next.tags,
        is_public: next.is_public,
        ..stored.clone()
    })
}

/// What is wrong with what a template copies. That its agents are there, and what their configs say, is checked when it
/// is used.
fn content_problems(kind: TemplateType, data: &Value) -> Vec<Problem> {
    let found = match kind {
        TemplateType::Agent => AgentDocument::parse(data).err(),
        TemplateType::Step => Document::parse(&json!({ "name": "step", "steps": [data] })).err(),
        TemplateType::Workflow => return workflow_problems(data),
    };
    found.into_iter().flatten().collect()
}

/// The problem of a part, as one of the whole.
fn below(place: &str, problem: Problem) -> Problem {
    let path = match problem.path.as_str() {
        "" => place.to_owned(),
        inner if inner.starts_with('[') => format!("{place}{inner}"),
        inner => format!("{place}.{inner}"),
    };
    Problem { path, ..problem }
}

fn workflow_problems(data: &Value) -> Vec<Problem> {
    let Some(workflow) = data.get("workflow") else {
        return vec![Problem::new("missing_key", "workflow", "it needs the document of the workflow")];
    };
    let mut problems: Vec<Problem> = Vec::new();
    let found = Document::parse(workflow).err().into_iter().flatten();
    problems.extend(found.map(|problem| below("workflow", problem)));
    let agents = data.get("agents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (place, agent) in agents.iter().enumerate() {
        let found = AgentDocument::parse(agent).err().into_iter().flatten();
        problems.extend(found.map(|problem| below(&format!("agents[{place}]"), problem)));
    }
    let unknown =
        data.as_object().into_iter().flatten().filter(|(key, _)| !["workflow", "agents"].contains(&key.as_str()));
    problems.extend(
        unknown.map(|(key, _)| Problem::new("unknown_key", key.clone(), "only `workflow` and `agents` stand here")),
    );
    problems
}

/// The documents that a use makes: what is called otherwise first.
pub(super) fn documents(template: &Template, wanted: TemplateUse) -> Vec<Value> {
    let data = template.template_data.clone();
    let (mut first, rest) = match template.kind {
        TemplateType::Agent | TemplateType::Step => (data, Vec::new()),
        TemplateType::Workflow => {
            let agents = data.get("agents").and_then(Value::as_array).cloned().unwrap_or_default();
            (data.get("workflow").cloned().unwrap_or_default(), agents)
        }
    };
    if let Some(changes) = &wanted.changes {
        merge(&mut first, changes);
    }
    if let (Some(name), Some(members)) = (wanted.name, first.as_object_mut()) {
        members.insert("name".to_owned(), json!(name));
    }
    std::iter::once(first).chain(rest).collect()
}

/// The files that they are published of.
pub(super) fn files(documents: &[Value]) -> Vec<SourceFile> {
    let file = |(place, document): (usize, &Value)| SourceFile {
        name: format!("template[{place}].json"),
        text: document.to_string(),
    };
    documents.iter().enumerate().map(file).collect()
}

/// Applies a JSON merge patch (RFC 7396): members of objects are merged, null takes one away, all else is replaced.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(members) = target.as_object_mut() else { return };
    for (key, change) in changes {
        if change.is_null() {
            members.remove(key);
        } else {
            merge(members.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_patch_does_what_its_rfc_says() {
        // Appendix A of RFC 7396.
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (target, patch, expected) in cases {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, expected, "{target} {patch}");
        }
    }
}
