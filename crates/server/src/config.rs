//! What the environment says besides the command line.

use std::{env, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use turbocat_agents::{
    AgentsConfig, EgressPolicy, LlmConfig, LlmEndpoint, McpServer, McpServers, NamedSecret, SANDBOX_LAYERS, Schemas,
    Secret, Secrets,
};
use turbocat_domain::port::Mailer;
use turbocat_domain::usage::PriceTable;
use turbocat_postgres::ClusterOptions;
use turbocat_schema::JsonSchemas;

use crate::{
    adapter::{KeySource, LogMailer, SmtpMailer},
    args::GlobalArgs,
};

/// The most child processes at once: each is bounded by its own limits, together they are bounded by this.
const CHILDREN_MAX: usize = 16;

/// What every Linux that is looked after has. Landlock is among it from 5.13 on, and Python needs it.
const SANDBOX_FLOOR: &str = "resource_limits,identity,no_new_privileges,descriptors,seccomp";

/// A secret of agents is a variable of this prefix, and another that names the hosts that it may be sent to.
const SECRET_PREFIX: &str = "TURBOCAT_SECRET_";
const HOSTS_SUFFIX: &str = "_HOSTS";

/// A server of tools is a variable of this prefix.
const MCP_PREFIX: &str = "TURBOCAT_MCP_";

/// What the agents are given: the operator's language models and servers of tools, and where requests may go.
///
/// # Errors
///
/// If `TURBOCAT_EGRESS_ALLOW` has a rule that is none, `TURBOCAT_SANDBOX_FLOOR` a layer that is none, or a variable declares an MCP server that is none.
pub(crate) fn agents() -> anyhow::Result<AgentsConfig> {
    let allowed = variable("TURBOCAT_EGRESS_ALLOW").unwrap_or_default();
    let rules = allowed.split(',').map(str::trim).filter(|rule| !rule.is_empty());
    Ok(AgentsConfig {
        child_program: env::current_exe().context("the path of this program is not known")?,
        children_max: CHILDREN_MAX,
        sandbox_floor: sandbox_floor(variable("TURBOCAT_SANDBOX_FLOOR"))?,
        python: variable("TURBOCAT_PYTHON").map(PathBuf::from),
        egress: EgressPolicy::allowing(rules).context("TURBOCAT_EGRESS_ALLOW")?,
        llm: llm()?,
        mcp: mcp(env::vars())?,
        schemas: Schemas::new(Arc::new(JsonSchemas::default())),
        secrets: secrets(env::vars()),
    })
}

/// The layers of the confinement without which no program is run.
///
/// # Errors
///
/// If there is no layer of a name: it would be missing for ever.
fn sandbox_floor(named: Option<String>) -> anyhow::Result<Vec<String>> {
    let floor = named.as_deref().unwrap_or(SANDBOX_FLOOR).split(',').map(str::trim);
    let floor: Vec<String> = floor.filter(|layer| !layer.is_empty()).map(str::to_owned).collect();
    match floor.iter().find(|layer| !SANDBOX_LAYERS.contains(&layer.as_str())) {
        Some(layer) => {
            bail!("TURBOCAT_SANDBOX_FLOOR: there is no layer `{layer}`; there are {}", SANDBOX_LAYERS.join(", "))
        }
        None => Ok(floor),
    }
}

/// Where the keys of the secrets of users are.
///
/// # Errors
///
/// If no key and no data folder is named and the environment names none either.
pub(crate) fn secret_keys(global: &GlobalArgs) -> anyhow::Result<KeySource> {
    if let Some(keys) = variable("TURBOCAT_SECRETS_KEY") {
        return Ok(KeySource::Given(keys));
    }
    let folder = match global.data_dir.as_ref().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => std::path::absolute(folder)?,
        None => ClusterOptions::data_home()?,
    };
    Ok(KeySource::File(folder.join("secrets.key")))
}

/// What writes to users: a server of mail if one is named, else the log.
///
/// # Errors
///
/// If `TURBOCAT_SMTP_URL` names no server that can be used, or `TURBOCAT_MAIL_FROM` no sender.
pub(crate) fn mailer() -> anyhow::Result<Arc<dyn Mailer>> {
    let Some(url) = variable("TURBOCAT_SMTP_URL") else { return Ok(Arc::new(LogMailer)) };
    let from = variable("TURBOCAT_MAIL_FROM")
        .context("TURBOCAT_SMTP_URL is set: set TURBOCAT_MAIL_FROM to the sender, `Turbocat <cat@example.com>`")?;
    Ok(Arc::new(SmtpMailer::new(&url, &from)?))
}

/// Where users reach this server, as their mail names it.
pub(crate) fn public_url() -> String {
    variable("TURBOCAT_PUBLIC_URL").unwrap_or_else(|| "http://127.0.0.1:8484".to_owned())
}

/// The language model that the operator provides, by the names that its own clients use.
fn llm() -> anyhow::Result<LlmConfig> {
    Ok(LlmConfig {
        base_url: variable("OPENAI_BASE_URL"),
        api_key: variable("OPENAI_API_KEY").map(Secret::new),
        model: variable("OPENAI_MODEL"),
        anthropic: endpoint("ANTHROPIC"),
        gemini: endpoint("GEMINI"),
        prices: prices()?,
    })
}

/// The prices of models that the operator knows better, in a file that `TURBOCAT_PRICES` names.
fn prices() -> anyhow::Result<Option<PriceTable>> {
    let Some(path) = variable("TURBOCAT_PRICES") else { return Ok(None) };
    let text = std::fs::read_to_string(&path).with_context(|| format!("TURBOCAT_PRICES: {path} cannot be read"))?;
    PriceTable::parse(&text).with_context(|| format!("TURBOCAT_PRICES: {path}")).map(Some)
}

/// The server of another provider, by variables with its name.
fn endpoint(name: &str) -> LlmEndpoint {
    LlmEndpoint {
        base_url: variable(&format!("{name}_BASE_URL")),
        api_key: variable(&format!("{name}_API_KEY")).map(Secret::new),
        model: variable(&format!("{name}_MODEL")),
    }
}

/// The servers of tools: `TURBOCAT_MCP_FILES={"command": …}` is what agents name as `files`.
fn mcp(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<McpServers> {
    let declared = variables.filter_map(|(variable, value)| {
        let name = variable.strip_prefix(MCP_PREFIX)?.to_ascii_lowercase();
        Some((variable, name, value)).filter(|(_, name, value)| !name.is_empty() && !value.trim().is_empty())
    });
    declared.map(|(variable, name, value)| Ok((name, McpServer::parse(&value).context(variable)?))).collect()
}

/// The secrets: `TURBOCAT_SECRET_GITHUB=…` with `TURBOCAT_SECRET_GITHUB_HOSTS=api.github.com,…` is what
/// `${{ secrets.GITHUB }}` means. A secret without hosts can be sent nowhere.
fn secrets(variables: impl Iterator<Item = (String, String)>) -> Secrets {
    let mut secrets = Secrets::new();
    for (name, value) in variables {
        let Some(name) = name.strip_prefix(SECRET_PREFIX) else { continue };
        let named = name.strip_suffix(HOSTS_SUFFIX);
        let empty = || NamedSecret { value: Secret::new(""), hosts: Vec::new() };
        let secret = secrets.entry(named.unwrap_or(name).to_owned()).or_insert_with(empty);
        match named {
            Some(_) => secret.hosts = value.split(',').map(|host| host.trim().to_owned()).collect(),
            None => secret.value = Secret::new(value),
        }
    }
    secrets.retain(|_, secret| secret.value != Secret::new(""));
    secrets
}

/// A variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_of_the_sandbox_has_layers_that_there_are() {
        let of = |named: &str| sandbox_floor(Some(named.to_owned()));

        assert_eq!(sandbox_floor(None).unwrap().len(), 5);
        assert_eq!(of("seccomp, landlock").unwrap(), ["seccomp", "landlock"]);
        assert!(of(" , ").unwrap().is_empty());
        let wrong = of("seccomp,secomp").unwrap_err().to_string();
        assert!(wrong.contains("there is no layer `secomp`; there are resource_limits"), "{wrong}");
    }

    #[test]
    fn a_server_of_tools_is_a_variable() {
        let of = |value: &str| mcp([("TURBOCAT_MCP_MY_FILES".to_owned(), value.to_owned())].into_iter());

        assert_eq!(of(r#"{ "command": "files" }"#).unwrap().into_keys().collect::<Vec<_>>(), ["my_files"]);
        assert!(of(" ").unwrap().is_empty());
        let wrong = format!("{:#}", of("files --stdio").unwrap_err());
        assert!(wrong.starts_with("TURBOCAT_MCP_MY_FILES: this declares no MCP server"), "{wrong}");
    }

    #[test]
    fn a_secret_is_a_variable_and_its_hosts() {
        let variables = [
            ("TURBOCAT_SECRET_GITHUB_HOSTS", "api.github.com, example.com"),
            ("TURBOCAT_SECRET_GITHUB", "t0ken"),
            ("TURBOCAT_SECRET_LOST_HOSTS", "example.com"),
            ("HOME", "/root"),
        ];
        let secrets = secrets(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));

        let names: Vec<_> = secrets.keys().collect();
        assert_eq!(names, ["GITHUB"]);
        assert_eq!(secrets["GITHUB"].hosts, ["api.github.com", "example.com"]);
        assert_eq!(secrets["GITHUB"].value, Secret::new("t0ken"));
    }
}
