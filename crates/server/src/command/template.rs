//! `turbocat templates`: to look at, and to make agents and workflows of.

use std::process::ExitCode;

use serde_json::{Value, json};
use turbocat_application::{TemplateCopy, TemplateUse};
use turbocat_domain::{
    port::{PageRequest, TemplateFilter},
    template::Template,
    value::Search,
};

use super::{asked::Asked, input};
use crate::{
    args::{GlobalArgs, TemplateUseArgs, TemplatesCommand},
    report,
};

/// Lists, shows or uses templates.
///
/// # Errors
///
/// If there is no such template, it cannot be used so, or the database cannot be reached.
pub(super) async fn templates(url: &str, global: &GlobalArgs, command: TemplatesCommand) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(url, global).await?;
    match command {
        TemplatesCommand::List { search, limit } => asked.list_templates(search.as_deref(), limit).await?,
        TemplatesCommand::Show { id } => {
            let template = asked.app.use_cases.template(asked.actor, id).await?;
            report::line(serde_json::to_string_pretty(&template.template_data)?);
        }
        TemplatesCommand::Use(args) => asked.use_template(args).await?,
    }
    asked.end().await
}

impl Asked {
    async fn list_templates(&self, search: Option<&str>, limit: u16) -> anyhow::Result<()> {
        let filter = TemplateFilter { search: search.map(Search::parse).transpose()?, ..TemplateFilter::default() };
        let page = PageRequest { limit, after: None };
        let found = self.app.use_cases.templates(self.actor, filter, page).await?.items;
        let row = |template: &Template| {
            let Template { id, name, kind, category, usage_count, rating_average, rating_count, .. } = template;
            let rating = if *rating_count == 0 { "-".to_owned() } else { format!("{rating_average} ({rating_count})") };
            let words = [id.to_string(), name.to_string(), kind.to_string(), category.to_string()];
            [words.as_slice(), &[usage_count.to_string(), rating]].concat()
        };
        let line = |template: &Template| {
            json!({
                "template": template.id.to_string(), "name": template.name, "type": template.kind.as_str(),
                "category": template.category, "tags": template.tags, "description": template.description,
                "usage_count": template.usage_count, "rating_count": template.rating_count,
                "rating_average": f64::from(template.rating_average.hundredths()) / 100.0,
            })
        };
        self.print(&["template", "name", "type", "category", "used", "rating"], &found, (row, line));
        Ok(())
    }

    async fn use_template(&self, args: TemplateUseArgs) -> anyhow::Result<()> {
        let changes = args.changes.map(|text| input::read(Some(&text))).transpose()?;
        let wanted = TemplateUse { name: args.name, changes };
        match self.app.use_cases.use_template(self.actor, args.id, wanted).await? {
            TemplateCopy::Step(step) => report::line(serde_json::to_string_pretty(&step)?),
            TemplateCopy::Published(report) if self.json => report::json_line(&report.to_value()),
            TemplateCopy::Published(report) => {
                for one in report.to_value().get("published").and_then(Value::as_array).into_iter().flatten() {
                    let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                    report::line(format!("{} {}: {}, {}", word("kind"), word("name"), word("change"), word("id")));
                }
            }
        }
        Ok(())
    }
}
