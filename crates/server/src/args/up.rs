//! `turbocat up`.

use std::path::PathBuf;

use clap::Args;

/// Where `turbocat up` listens unless told otherwise.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:8484";

/// A host and a port. Whether the host is one of this machine shows when it is listened on.
fn listen_address(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err(format!("a host and a port are needed, such as {DEFAULT_LISTEN}")),
    }
}

/// `turbocat up`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    turbocat up\n  \
    turbocat up --listen 0.0.0.0:8484 --database-url postgres://turbocat@db/turbocat\n  \
    turbocat up --metrics 127.0.0.1:9484\n  \
    turbocat up --listen 0.0.0.0:8443 --tls-cert chain.pem --tls-key key.pem\n\n\
    The first Ctrl-C (or SIGTERM) ends it cleanly: no new work is taken, what runs may end within the drain time, \
    and the rest is handed to other processes. A second one ends it at once; nothing is lost then either.")]
pub(crate) struct UpArgs {
    /// The address of the HTTP listener: the API, /health and /ready
    #[arg(
        long,
        env = "TURBOCAT_LISTEN",
        default_value = DEFAULT_LISTEN,
        value_name = "HOST:PORT",
        value_parser = listen_address
    )]
    pub(crate) listen: String,
    /// A certificate in PEM, with its chain: the listener speaks TLS alone. It is read once, at the start
    #[arg(long, env = "TURBOCAT_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, env = "TURBOCAT_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The address of a listener of its own that serves /metrics for Prometheus, to everybody who reaches it [default:
    /// none]
    #[arg(long, env = "TURBOCAT_METRICS", value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) metrics: Option<String>,
    /// How long running steps may take to end after the first Ctrl-C, in seconds
    #[arg(long, env = "TURBOCAT_DRAIN_TIMEOUT", default_value_t = 20, value_name = "SECONDS")]
    pub(crate) drain_timeout: u64,
    /// How many executions this process works on at once
    #[arg(long, env = "TURBOCAT_EXECUTIONS_MAX", value_name = "COUNT")]
    pub(crate) executions_max: Option<u32>,
}
