//! The rows of `templates`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "templates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: Option<String>,
    pub category: String,
    #[sea_orm(column_name = "type")]
    pub kind: String,
    pub user_id: Option<Uuid>,
    #[sea_orm(column_type = "JsonBinary")]
    pub template_data: Json,
    pub tags: Vec<String>,
    pub is_official: bool,
    pub is_public: bool,
    pub usage_count: i32,
    #[sea_orm(column_type = "Decimal(Some((3, 2)))")]
    pub rating_average: Decimal,
    pub rating_count: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    pub deleted_at: Option<DateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
