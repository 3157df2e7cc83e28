//! The rows of `step_runs`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "step_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub execution_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub path: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attempt: i16,
    pub seq: i32,
    pub status: String,
    pub reason: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub output: Option<Json>,
    #[sea_orm(column_type = "JsonBinary")]
    pub error: Option<Json>,
    pub started_at: DateTime,
    pub ended_at: Option<DateTime>,
    pub workflow_step_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
