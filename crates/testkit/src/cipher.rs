//! A cipher that hides nothing, and keeps to the rules of one that does.

use std::sync::atomic::{AtomicU32, Ordering};

use turbocat_domain::{
    port::{CipherError, SecretCipher},
    secret::Sealed,
};

/// Seals by writing the binding before the value, with every bit turned. Keys are numbered.
#[derive(Debug, Default)]
pub struct PlainCipher {
    rotations: AtomicU32,
}

impl SecretCipher for PlainCipher {
    fn current(&self) -> Result<String, CipherError> {
        Ok(format!("key-{}", self.rotations.load(Ordering::SeqCst)))
    }

    fn rotate(&self) -> Result<String, CipherError> {
        self.rotations.fetch_add(1, Ordering::SeqCst);
        self.current()
    }

    fn seal(&self, binding: &str, value: &str) -> Result<Sealed, CipherError> {
        let key_id = self.current()?;
        let bytes = format!("{key_id}\n{binding}\n{value}").bytes().map(|byte| !byte).collect();
        Ok(Sealed { key_id, bytes })
    }

    fn open(&self, binding: &str, sealed: &Sealed) -> Result<String, CipherError> {
        let number = sealed.key_id.strip_prefix("key-").and_then(|number| number.parse::<u32>().ok());
        if number.is_none_or(|number| number > self.rotations.load(Ordering::SeqCst)) {
            return Err(CipherError::UnknownKey(sealed.key_id.clone()));
        }
        let text = String::from_utf8(sealed.bytes.iter().map(|byte| !byte).collect()).unwrap_or_default();
        let value = text.strip_prefix(&format!("{}\n{binding}\n", sealed.key_id));
        value.map(str::to_owned).ok_or(CipherError::Forged)
    }
}
