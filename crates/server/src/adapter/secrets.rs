//! Randomness for keys and tokens.

use turbocat_application::{NoRandomness, SecretSource};

/// The randomness of the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SystemSecrets;

impl SecretSource for SystemSecrets {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        getrandom::fill(bytes).map_err(|_| NoRandomness)
    }
}
