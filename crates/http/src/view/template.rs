//! Templates.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use turbocat_domain::template::Template;
use utoipa::ToSchema;

use crate::words::TemplateTypeWord;

/// Something to start from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TemplateView {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// What it is for.
    description: Option<String>,
    /// The shelf that it stands on.
    category: String,
    /// What it makes.
    #[serde(rename = "type")]
    kind: TemplateTypeWord,
    /// Whose it is; null for those of nobody in particular.
    user_id: Option<String>,
    /// What is copied. Null in lists.
    template_data: Value,
    /// Words to find it by.
    tags: Vec<String>,
    /// Whether it comes with the platform.
    is_official: bool,
    /// Whether everybody may use it.
    is_public: bool,
    /// How often it was used.
    usage_count: u32,
    /// The average of its ratings, 0.00 to 5.00.
    rating_average: f64,
    /// How many rated it.
    rating_count: u32,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// When it was deleted.
    deleted_at: Option<DateTime<Utc>>,
}

impl From<Template> for TemplateView {
    fn from(template: Template) -> Self {
        Self {
            id: template.id.to_string(),
            name: template.name.to_string(),
            description: template.description,
            category: template.category.to_string(),
            kind: template.kind.into(),
            user_id: template.user_id.map(|id| id.to_string()),
            template_data: template.template_data,
            tags: template.tags.iter().map(ToString::to_string).collect(),
            is_official: template.is_official,
            is_public: template.is_public,
            usage_count: template.usage_count,
            rating_average: f64::from(template.rating_average.hundredths()) / 100.0,
            rating_count: template.rating_count,
            created_at: template.created_at,
            updated_at: template.updated_at,
            deleted_at: template.deleted_at,
        }
    }
}

impl TemplateView {
    /// The same, as a list shows it.
    pub(crate) fn in_list(self) -> Self {
        Self { template_data: Value::Null, ..self }
    }
}
