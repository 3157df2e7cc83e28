//! The official templates: files beside this one, read once, checked by a test.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use turbocat_domain::{
    id::TemplateId,
    template::{NewTemplate, Template, TemplateType},
    value::{Category, Name, Tag},
};

use crate::source::{SourceFile, read_value};

/// The files: name and text.
const FILES: [(&str, &str); 6] = [
    ("web-scraper-agent.yaml", include_str!("templates/web-scraper-agent.yaml")),
    ("api-caller-agent.yaml", include_str!("templates/api-caller-agent.yaml")),
    ("json-transformer-agent.yaml", include_str!("templates/json-transformer-agent.yaml")),
    ("llm-summariser-agent.yaml", include_str!("templates/llm-summariser-agent.yaml")),
    ("wait-for-event-step.yaml", include_str!("templates/wait-for-event-step.yaml")),
    ("page-digest-workflow.yaml", include_str!("templates/page-digest-workflow.yaml")),
];

/// A template that comes with the platform.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficialTemplate {
    /// What it is called.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// The shelf that it stands on.
    pub category: Category,
    /// What it makes.
    #[serde(rename = "type")]
    pub kind: TemplateType,
    /// Words to find it by.
    pub tags: Vec<Tag>,
    /// What is copied: the document of an agent, a step, or a workflow with the agents that it needs.
    pub template_data: Value,
}

impl OfficialTemplate {
    pub(super) fn to_template(&self, id: TemplateId, now: DateTime<Utc>) -> Template {
        let new = NewTemplate {
            id,
            name: self.name.clone(),
            category: self.category.clone(),
            kind: self.kind,
            template_data: self.template_data.clone(),
        };
        self.write_over(&Template::new(new, now))
    }

    /// The stored template with this content.
    pub(super) fn write_over(&self, stored: &Template) -> Template {
        Template {
            name: self.name.clone(),
            description: Some(self.description.clone()),
            category: self.category.clone(),
            kind: self.kind,
            template_data: self.template_data.clone(),
            tags: self.tags.clone(),
            is_official: true,
            is_public: true,
            ..stored.clone()
        }
    }
}

/// The official templates.
#[must_use]
pub fn official_templates() -> Vec<OfficialTemplate> {
    // A test reads them all, so that none is missing here.
    FILES.iter().filter_map(|(name, text)| read(name, text).ok()).collect()
}

fn read(name: &str, text: &str) -> Result<OfficialTemplate, String> {
    let source = SourceFile { name: name.to_owned(), text: text.to_owned() };
    let value = read_value(&source).map_err(|problem| problem.to_string())?;
    serde_json::from_value(value).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turbocat_domain::document::Document;

    use super::*;
    use crate::AgentDocument;

    #[test]
    fn every_official_template_can_be_read_and_has_a_name_of_its_own() {
        let read: Vec<_> = FILES.iter().map(|(name, text)| read(name, text).unwrap()).collect();
        assert_eq!(read, official_templates());

        let names: std::collections::BTreeSet<_> = read.iter().map(|template| template.name.as_str()).collect();
        assert_eq!(names.len(), FILES.len());
    }

    #[test]
    fn the_content_of_every_official_template_is_a_valid_document() {
        for template in official_templates() {
            let data = &template.template_data;
            match template.kind {
                TemplateType::Agent => drop(AgentDocument::parse(data).unwrap()),
                TemplateType::Step => {
                    let document = json!({ "name": "step", "steps": [data] });
                    drop(Document::parse(&document).unwrap());
                }
                TemplateType::Workflow => {
                    drop(Document::parse(&data["workflow"]).unwrap());
                    for agent in data["agents"].as_array().unwrap() {
                        drop(AgentDocument::parse(agent).unwrap());
                    }
                }
            }
        }
    }
}
