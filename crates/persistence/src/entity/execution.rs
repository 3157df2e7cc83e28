//! The rows of `executions`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "executions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub workflow_id: Uuid,
    pub user_id: Uuid,
    pub status: String,
    pub trigger_type: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub trigger_data: Json,
    pub started_at: Option<DateTime>,
    pub completed_at: Option<DateTime>,
    pub duration_ms: Option<i32>,
    #[sea_orm(column_type = "JsonBinary")]
    pub input_data: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub output_data: Json,
    pub steps_completed: i32,
    pub steps_failed: i32,
    pub steps_total: i32,
    #[sea_orm(column_type = "Text")]
    pub error_message: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub error_stack: Option<String>,
    pub error_code: Option<String>,
    pub worker_id: Option<Uuid>,
    pub takeovers: i32,
    pub takeover_records: i32,
    pub wake_at: Option<DateTime>,
    pub cancel_requested_at: Option<DateTime>,
    pub paused_at: Option<DateTime>,
    #[sea_orm(column_type = "Text")]
    pub pause_reason: Option<String>,
    pub deadline_at: Option<DateTime>,
    pub parent_execution_id: Option<Uuid>,
    #[sea_orm(column_type = "Text")]
    pub parent_path: Option<String>,
    pub depth: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
