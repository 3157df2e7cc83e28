//! The rows of `agents`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: Option<String>,
    #[sea_orm(column_name = "type")]
    pub kind: String,
    pub status: String,
    pub version: i32,
    pub parent_id: Option<Uuid>,
    pub user_id: Uuid,
    #[sea_orm(column_type = "JsonBinary")]
    pub config: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub capabilities: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub parameters: Json,
    pub max_execution_time: Option<i32>,
    pub max_memory_mb: Option<i32>,
    pub max_concurrent_executions: Option<i32>,
    pub total_executions: i32,
    pub successful_executions: i32,
    pub failed_executions: i32,
    pub avg_execution_time_ms: i32,
    pub total_execution_time_ms: i64,
    pub tags: Vec<String>,
    pub is_public: bool,
    pub is_template: bool,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    pub deleted_at: Option<DateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
