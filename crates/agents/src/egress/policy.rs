//! Where requests may go: anywhere public, and to what the operator names beside it.

use std::net::IpAddr;

use super::address::{Network, is_public};

/// Where requests may go. By default to public addresses only; the operator may allow more, by name or network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    hosts: Vec<String>,
    networks: Vec<Network>,
}

/// Why a text is no rule of an [`EgressPolicy`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither a host name, nor an address, nor a network such as `10.0.0.0/8`")]
pub struct InvalidEgressRule {
    /// What was given.
    pub text: String,
}

/// That a request may not go where it wants to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is not reached: {why}; who operates the server can allow it")]
pub(super) struct EgressDenied {
    host: String,
    why: &'static str,
}

const NOT_PUBLIC: &str = "its address is not a public one";
const METADATA: &str = "it is a cloud's metadata service";

/// Names of metadata services, refused whatever they resolve to.
const METADATA_NAMES: [&str; 3] = ["metadata.google.internal", "metadata.goog", "instance-data"];

impl EgressPolicy {
    /// Reads what is allowed beside public addresses: host names (`intranet.example.com`), addresses, networks.
    ///
    /// # Errors
    ///
    /// [`InvalidEgressRule`] for the first text that is none of them.
    pub fn allowing<T: AsRef<str>>(rules: impl IntoIterator<Item = T>) -> Result<Self, InvalidEgressRule> {
        let mut policy = Self::default();
        for rule in rules {
            let text = rule.as_ref().trim();
            if let Some(network) = Network::parse(text) {
                policy.networks.push(network);
            } else if is_host_name(text) {
                policy.hosts.push(normal(text));
            } else {
                return Err(InvalidEgressRule { text: text.to_owned() });
            }
        }
        Ok(policy)
    }

    /// The same, and this host or address.
    #[must_use]
    pub(crate) fn and_host(mut self, host: &str) -> Self {
        match Network::parse(host) {
            Some(network) => self.networks.push(network),
            None => self.hosts.push(normal(host)),
        }
        self
    }

    /// Judges an address that stands in a URL itself.
    pub(super) fn permit_address(&self, host: &str, address: IpAddr) -> Result<(), EgressDenied> {
        let permitted = is_public(address) || self.networks.iter().any(|network| network.contains(address));
        if permitted { Ok(()) } else { Err(EgressDenied { host: host.to_owned(), why: NOT_PUBLIC }) }
    }

    /// Judges what a name resolved to, and gives back the addresses that may be used.
    pub(super) fn permit<A>(
        &self,
        host: &str,
        addresses: Vec<A>,
        ip: impl Fn(&A) -> IpAddr,
    ) -> Result<Vec<A>, EgressDenied> {
        let name = normal(host);
        if self.hosts.contains(&name) {
            return Ok(addresses);
        }
        if METADATA_NAMES.contains(&name.as_str()) {
            return Err(EgressDenied { host: name, why: METADATA });
        }
        let (permitted, refused): (Vec<A>, Vec<A>) =
            addresses.into_iter().partition(|address| self.permit_address(host, ip(address)).is_ok());
        if permitted.is_empty() && !refused.is_empty() {
            return Err(EgressDenied { host: name, why: NOT_PUBLIC });
        }
        Ok(permitted)
    }
}

/// Names are compared in lower case and without the dot of the root.
fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && !text.is_empty() && text.trim_end_matches('.').split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &EgressPolicy, host: &str, addresses: &[&str]) -> Result<Vec<IpAddr>, EgressDenied> {
        policy.permit(host, addresses.iter().map(|text| text.parse().unwrap()).collect(), |address| *address)
    }

    #[test]
    fn a_name_is_judged_by_its_addresses() {
        let policy = EgressPolicy::default();

        assert_eq!(judge(&policy, "a.example", &["8.8.8.8", "10.0.0.1"]).unwrap().len(), 1);
        assert!(judge(&policy, "a.example", &["10.0.0.1", "::1"]).is_err());
        assert!(judge(&policy, "Metadata.Google.Internal.", &["8.8.8.8"]).is_err());
    }

    #[test]
    fn what_is_allowed_is_allowed_by_name_or_by_network_only() {
        let policy = EgressPolicy::allowing(["Intranet.example.com", "10.1.0.0/16"]).unwrap();

        assert!(judge(&policy, "intranet.example.com.", &["10.9.9.9"]).is_ok());
        assert!(judge(&policy, "b.example", &["10.1.2.3"]).is_ok());
        assert!(judge(&policy, "b.example", &["10.2.2.3"]).is_err());
        assert!(policy.permit_address("10.2.2.3", "10.2.2.3".parse().unwrap()).is_err());
    }

    #[test]
    fn a_rule_that_is_none_is_refused() {
        let error = EgressPolicy::allowing(["http://intranet"]).unwrap_err();

        assert_eq!(
            error.to_string(),
            "`http://intranet` is neither a host name, nor an address, nor a network such as `10.0.0.0/8`"
        );
    }
}
