//! The check of agents' configs, as the use cases want it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use turbocat_agents::Agents;
use turbocat_application::AgentConfigValidator;
use turbocat_domain::{agent::AgentType, problem::Problems};

/// Has the agents check their configs, programs included.
#[derive(Debug, Clone)]
pub(crate) struct AgentConfigs(pub(crate) Arc<Agents>);

#[async_trait]
impl AgentConfigValidator for AgentConfigs {
    async fn check(&self, kind: AgentType, config: &Value) -> Result<(), Problems> {
        self.0.check(kind, config).await
    }
}

#[cfg(test)]
mod tests {
    use turbocat_application::{AgentDocument, official_templates};
    use turbocat_domain::template::TemplateType;

    #[test]
    fn the_agents_of_all_official_templates_have_valid_configs() {
        let mut checked = 0;
        for template in official_templates() {
            let agents = match template.kind {
                TemplateType::Agent => vec![template.template_data],
                TemplateType::Workflow => template.template_data["agents"].as_array().unwrap().clone(),
                TemplateType::Step => Vec::new(),
            };
            for agent in agents.iter().map(|agent| AgentDocument::parse(agent).unwrap()) {
                turbocat_agents::validate_config(agent.kind, &agent.config).unwrap();
                checked += 1;
            }
        }
        assert!(checked >= 5, "only {checked} were checked");
    }
}
