//! The models that the operator provides.

use reqwest::Url;
use turbocat_domain::usage::{Price, PriceTable};

use super::{
    config::{Provider, Target},
    cost,
};
use crate::{
    AgentsError,
    egress::{EgressClient, EgressPolicy},
    secret::Secret,
};

/// The server of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmEndpoint {
    /// Where the API is; `None` for that of the provider itself.
    pub base_url: Option<String>,
    /// The operator's key.
    pub api_key: Option<Secret>,
    /// The model of agents that name none.
    pub model: Option<String>,
}

/// The language models that the operator provides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmConfig {
    /// Where the API of `OpenAI` is, up to `/chat/completions`; `None` for that of `OpenAI` itself.
    pub base_url: Option<String>,
    /// The key of that API. Without key and `base_url` of any provider agents that name none are answered offline.
    pub api_key: Option<Secret>,
    /// The model of agents that name none.
    pub model: Option<String>,
    /// Anthropic, up to `/v1/messages`.
    pub anthropic: LlmEndpoint,
    /// Gemini, up to `/models`.
    pub gemini: LlmEndpoint,
    /// Prices that count before those that are known here.
    pub prices: Option<PriceTable>,
}

impl LlmConfig {
    /// The keys, which nobody may see.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Secret> {
        [&self.api_key, &self.anthropic.api_key, &self.gemini.api_key].into_iter().flatten()
    }
}

/// The operator's models, ready to be asked.
#[derive(Debug)]
pub(crate) struct Models {
    openai: Endpoint,
    anthropic: Endpoint,
    gemini: Endpoint,
    pub(super) default_provider: Provider,
    pub(super) prices: PriceTable,
}

/// A server, and the way to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) base_url: Url,
    pub(super) api_key: Option<Secret>,
    model: String,
    /// Reaches the operator's API wherever it is, for it was the operator who named it.
    pub(super) egress: EgressClient,
}

impl Endpoint {
    fn new(given: LlmEndpoint, (base_url, model): (&str, &str), policy: &EgressPolicy) -> Result<Self, AgentsError> {
        let text = given.base_url.unwrap_or_else(|| base_url.to_owned());
        let base_url = Url::parse(&text).ok().filter(Url::has_host).ok_or(AgentsError::LlmBaseUrl(text))?;
        let host = base_url.host_str().unwrap_or_default();
        let egress = EgressClient::new(policy.clone().and_host(host)).map_err(AgentsError::Http)?;
        Ok(Self { base_url, api_key: given.api_key, model: given.model.unwrap_or_else(|| model.to_owned()), egress })
    }
}

impl Models {
    const OPENAI: (&str, &str) = ("https://api.openai.com/v1", "gpt-4o-mini");
    const ANTHROPIC: (&str, &str) = ("https://api.anthropic.com", "claude-haiku-4-5");
    const GEMINI: (&str, &str) = ("https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-flash");

    pub(crate) fn new(config: LlmConfig, policy: &EgressPolicy) -> Result<Self, AgentsError> {
        let openai = LlmEndpoint { base_url: config.base_url, api_key: config.api_key, model: config.model };
        let is_configured = |given: &LlmEndpoint| given.api_key.is_some() || given.base_url.is_some();
        let known =
            [(&openai, Provider::OpenAi), (&config.anthropic, Provider::Anthropic), (&config.gemini, Provider::Gemini)];
        let prices = cost::known_prices().map_err(AgentsError::Prices)?;
        let first = known.into_iter().find(|(given, _)| is_configured(given));
        Ok(Self {
            default_provider: first.map_or(Provider::Offline, |(_, provider)| provider),
            openai: Endpoint::new(openai, Self::OPENAI, policy)?,
            anthropic: Endpoint::new(config.anthropic, Self::ANTHROPIC, policy)?,
            gemini: Endpoint::new(config.gemini, Self::GEMINI, policy)?,
            prices: match config.prices {
                Some(own) => prices.with(own),
                None => prices,
            },
        })
    }

    /// The operator's server of a provider. Nobody is asked offline.
    pub(super) const fn endpoint(&self, provider: Provider) -> &Endpoint {
        match provider {
            Provider::OpenAi | Provider::Offline => &self.openai,
            Provider::Anthropic => &self.anthropic,
            Provider::Gemini => &self.gemini,
        }
    }

    /// The price of a model, if it is known.
    pub(super) fn price(&self, provider: Provider, model: &str) -> Option<Price> {
        self.prices.price(provider.as_str(), model)
    }

    /// The model that is meant.
    pub(super) fn model<'a>(&'a self, target: &'a Target, provider: Provider) -> &'a str {
        target.model.as_deref().unwrap_or(&self.endpoint(provider).model)
    }
}
