//! The statements of templates.

use chrono::NaiveDateTime;
use sea_orm::Statement;
use uuid::Uuid;

use super::statement;

pub(crate) fn rate_template(id: Uuid, user: Uuid, stars: i16, at: NaiveDateTime) -> Statement {
    statement!("rate_template", id, user, stars, at)
}

pub(crate) fn fold_template_ratings(id: Uuid) -> Statement {
    statement!("fold_template_ratings", id)
}

pub(crate) fn count_template_use(id: Uuid) -> Statement {
    statement!("count_template_use", id)
}

#[cfg(test)]
pub(super) fn statements_of_templates() -> Vec<(&'static str, Statement)> {
    let id = Uuid::nil();
    vec![
        ("rate_template", rate_template(id, id, 5, NaiveDateTime::default())),
        ("fold_template_ratings", fold_template_ratings(id)),
        ("count_template_use", count_template_use(id)),
    ]
}
