//! The rows of `deployments`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deployments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    #[sea_orm(column_type = "Text")]
    pub description: Option<String>,
    pub user_id: Uuid,
    pub workflow_id: Option<Uuid>,
    pub agent_id: Option<Uuid>,
    pub environment: String,
    pub status: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub config: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub environment_vars: Json,
    #[sea_orm(column_type = "Text")]
    pub endpoint_url: Option<String>,
    pub api_key_hash: Option<String>,
    pub allocated_memory_mb: i32,
    pub allocated_cpu_shares: i32,
    pub deployed_at: Option<DateTime>,
    pub last_health_check_at: Option<DateTime>,
    pub health_status: String,
    pub total_requests: i32,
    pub total_errors: i32,
    pub avg_response_time_ms: i32,
    pub total_response_time_ms: i64,
    pub revision: i32,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    pub deleted_at: Option<DateTime>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
