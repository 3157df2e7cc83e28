//! The domain's words (statuses, types, roles) in answers, requests and schemas.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use turbocat_domain::{
    agent::{AgentStatus, AgentType},
    budget::{BudgetPeriod, BudgetUnit},
    deployment::{DeploymentStatus, Environment, HealthStatus},
    document::Overlap,
    execution::{ExecutionStatus, TriggerType},
    execution_log::{LogLevel, StepStatus},
    schedule::Verdict,
    template::TemplateType,
    usage::UsageGroup,
    user::UserRole,
    workflow::WorkflowStatus,
    workflow_step::StepType,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

/// Wraps closed sets of words so that a schema lists them: the domain knows nothing of schemas.
macro_rules! words {
    ($($word:ident: $name:ident),+ $(,)?) => {
        $(
            #[doc = concat!("A word of `", stringify!($name), "`.")]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $word(pub(crate) $name);

            impl From<$name> for $word {
                fn from(word: $name) -> Self {
                    Self(word)
                }
            }

            impl PartialSchema for $word {
                fn schema() -> RefOr<Schema> {
                    let words = $name::ALL.into_iter().map($name::as_str);
                    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
                }
            }

            impl ToSchema for $word {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )+
    };
}

words! {
    AgentStatusWord: AgentStatus,
    AgentTypeWord: AgentType,
    BudgetPeriodWord: BudgetPeriod,
    BudgetUnitWord: BudgetUnit,
    DeploymentStatusWord: DeploymentStatus,
    EnvironmentWord: Environment,
    ExecutionStatusWord: ExecutionStatus,
    HealthStatusWord: HealthStatus,
    LogLevelWord: LogLevel,
    OverlapWord: Overlap,
    StepStatusWord: StepStatus,
    StepTypeWord: StepType,
    TemplateTypeWord: TemplateType,
    TriggerTypeWord: TriggerType,
    UsageGroupWord: UsageGroup,
    UserRoleWord: UserRole,
    VerdictWord: Verdict,
    WorkflowStatusWord: WorkflowStatus,
}
