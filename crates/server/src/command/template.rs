//! `turbocat templates`: to look at, and to make agents and workflows of.

use serde_json::{Value, json};
use turbocat_client::{Template, TemplateUse};

use super::{input, print};
use crate::{
    args::{TemplateUseArgs, TemplatesCommand},
    desk::Desk,
    report,
};

/// Lists, shows or uses templates.
///
/// # Errors
///
/// If there is no such template, it cannot be used so, or the desk cannot be reached.
pub(super) async fn templates(desk: &Desk, json: bool, command: TemplatesCommand) -> anyhow::Result<()> {
    match command {
        TemplatesCommand::List { search, limit } => list(desk, json, (search.as_deref(), limit)).await,
        TemplatesCommand::Show { id } => {
            let template = desk.template(id).await?;
            report::line(serde_json::to_string_pretty(&template.template_data)?);
            Ok(())
        }
        TemplatesCommand::Use(args) => use_template(desk, json, args).await,
    }
}

async fn list(desk: &Desk, json: bool, (search, limit): (Option<&str>, u16)) -> anyhow::Result<()> {
    let row = |template: &Template| {
        let Template { id, name, kind, category, usage_count, rating_average, rating_count, .. } = template;
        let rating = if *rating_count == 0 { "-".to_owned() } else { format!("{rating_average:.2} ({rating_count})") };
        vec![id.to_string(), name.clone(), kind.to_string(), category.clone(), usage_count.to_string(), rating]
    };
    let line = |template: &Template| {
        json!({
            "template": template.id.to_string(), "name": template.name, "type": template.kind,
            "category": template.category, "tags": template.tags, "description": template.description,
            "usage_count": template.usage_count, "rating_count": template.rating_count,
            "rating_average": template.rating_average,
        })
    };
    let head = ["template", "name", "type", "category", "used", "rating"];
    print(json, &head, &desk.templates(search, limit).await?, (row, line));
    Ok(())
}

async fn use_template(desk: &Desk, json: bool, args: TemplateUseArgs) -> anyhow::Result<()> {
    let changes = args.changes.map(|text| input::read(Some(&text))).transpose()?;
    let copy = desk.use_template(args.id, TemplateUse { name: args.name, changes }).await?;
    if let Some(step) = copy.step {
        report::line(serde_json::to_string_pretty(&step)?);
    }
    let Some(published) = copy.published else { return Ok(()) };
    if json {
        report::json_line(&published);
        return Ok(());
    }
    for one in published.get("published").and_then(Value::as_array).into_iter().flatten() {
        let word = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        report::line(format!("{} {}: {}, {}", word("kind"), word("name"), word("change"), word("id")));
    }
    Ok(())
}
