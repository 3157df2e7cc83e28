//! Templates.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use turbocat_domain::{
    id::{TemplateId, UserId},
    template::TemplateType,
};

use super::paged;
use crate::text;

/// Something to start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    #[serde(with = "text")]
    pub id: TemplateId,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The shelf that it stands on.
    pub category: String,
    /// What it makes.
    #[serde(rename = "type")]
    pub kind: TemplateType,
    /// Whose it is; nothing for those of nobody in particular.
    #[serde(default, with = "text::or_null")]
    pub user_id: Option<UserId>,
    /// What is copied. Null in lists.
    pub template_data: Value,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whether it comes with the platform.
    pub is_official: bool,
    /// Whether everybody may use it.
    pub is_public: bool,
    /// How often it was used.
    pub usage_count: u32,
    /// The average of its ratings, 0.00 to 5.00.
    pub rating_average: f64,
    /// How many rated it.
    pub rating_count: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Which templates are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateQuery {
    /// Only those on this shelf.
    pub category: Option<String>,
    /// Only what makes this.
    #[serde(rename = "type")]
    pub kind: Option<TemplateType>,
    /// Only those that come with the platform.
    pub official: bool,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those in whose name, description or tags all these words are found, whatever their case.
    pub search: Option<String>,
    /// With what is deleted and one's own.
    pub deleted: bool,
    /// The most items of a page, 1 to 200; 50 without.
    pub limit: Option<u16>,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// How a template is used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// What the agent or the workflow is to be called, if not as in the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is to be otherwise in its document: a JSON merge patch (RFC 7396).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Value>,
}

/// What a template has made: `published` for an agent or a workflow, `step` for a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateCopy {
    /// What was published, in the form of a [`PublishReport`](crate::PublishReport).
    pub published: Option<Value>,
    /// The step, to be put into a workflow.
    pub step: Option<Value>,
}

paged!(TemplateQuery);
