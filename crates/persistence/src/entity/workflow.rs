//! The rows of `workflows`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: Option<String>,
    pub user_id: Uuid,
    pub status: String,
    pub version: i32,
    pub parent_id: Option<Uuid>,
    #[sea_orm(column_type = "JsonBinary")]
    pub definition: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub trigger_config: Json,
    pub schedule_enabled: bool,
    pub schedule_cron: Option<String>,
    pub schedule_timezone: String,
    pub total_executions: i32,
    pub successful_executions: i32,
    pub failed_executions: i32,
    pub avg_execution_time_ms: i32,
    pub total_execution_time_ms: i64,
    pub last_execution_at: Option<DateTime>,
    pub tags: Vec<String>,
    pub is_public: bool,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    pub deleted_at: Option<DateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
