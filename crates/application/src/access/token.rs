//! Keys and tokens: secrets that are shown once, and of which only a hash is kept.
//!
//! A key reads `tc_live_<prefix>_<secret><checksum>`: the prefix tells keys apart, the secret has 192 bits, and the
//! checksum lets a mistyped or invented key be refused without a look into the database, and a leaked one be found by
//! scanners. A hash of so much randomness needs no slow function.

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use turbocat_domain::{user_token::TokenPurpose, value::SecretHash};

/// Randomness that nobody can guess.
pub trait SecretSource: Send + Sync {
    /// Fills the bytes.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] if the system has none.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The system gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

const KEY_START: &str = "tc_live_";
const SESSION_START: &str = "tc_session_";
const RESET_START: &str = "tc_reset_";
const VERIFICATION_START: &str = "tc_verify_";
const DEPLOYMENT_START: &str = "tc_deploy_";
const PREFIX_BYTES: usize = 5;
const SECRET_BYTES: usize = 24;
const CHECKSUM_CHARS: usize = 7;
/// `tc_live_`, 8 characters, `_`, 39 characters and the checksum.
const KEY_CHARS: usize = 63;
/// `tc_session_` and 39 characters and the checksum.
const SESSION_CHARS: usize = 57;
/// The 39 characters of a secret alone, and the checksum.
const TAIL_CHARS: usize = 46;
/// `tc_deploy_` and 39 characters and the checksum.
const DEPLOYMENT_CHARS: usize = 56;

/// A secret to be shown to its owner, once. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new API key.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub(crate) fn new_key(source: &dyn SecretSource) -> Result<Self, NoRandomness> {
        let (mut prefix, mut secret) = ([0; PREFIX_BYTES], [0; SECRET_BYTES]);
        source.fill(&mut prefix)?;
        source.fill(&mut secret)?;
        Ok(Self::checked(format!("{KEY_START}{}_{}", base32(&prefix), base32(&secret))))
    }

    /// A new token of a session.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub(crate) fn new_session(source: &dyn SecretSource) -> Result<Self, NoRandomness> {
        Self::without_prefix(SESSION_START, source)
    }

    /// A new key of a deployment.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub(crate) fn new_deployment(source: &dyn SecretSource) -> Result<Self, NoRandomness> {
        Self::without_prefix(DEPLOYMENT_START, source)
    }

    fn without_prefix(start: &str, source: &dyn SecretSource) -> Result<Self, NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        source.fill(&mut secret)?;
        Ok(Self::checked(format!("{start}{}", base32(&secret))))
    }

    /// A new token that is sent to a user.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`].
    pub(crate) fn new_mailed(purpose: TokenPurpose, source: &dyn SecretSource) -> Result<Self, NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        source.fill(&mut secret)?;
        Ok(Self::checked(format!("{}{}", mailed_start(purpose), base32(&secret))))
    }

    fn checked(body: String) -> Self {
        let checksum = checksum(&body);
        Self(body + &checksum)
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How a key begins: enough to tell it apart, too little to use it.
    pub(crate) fn prefix(&self) -> String {
        self.0.chars().take(KEY_START.len() + 8).collect()
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> SecretHash {
        hash(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The hash of what can be an API key; nothing for a text that is none.
pub(crate) fn key_hash(text: &str) -> Option<SecretHash> {
    is_whole(text, KEY_START, KEY_CHARS).then(|| hash(text))
}

/// The hash of what can be the token of a session; nothing for a text that is none.
pub(crate) fn session_hash(text: &str) -> Option<SecretHash> {
    is_whole(text, SESSION_START, SESSION_CHARS).then(|| hash(text))
}

/// The hash of what can be a token that was sent for this; nothing for a text that is none.
pub(crate) fn mailed_hash(purpose: TokenPurpose, text: &str) -> Option<SecretHash> {
    let start = mailed_start(purpose);
    is_whole(text, start, start.len() + TAIL_CHARS).then(|| hash(text))
}

const fn mailed_start(purpose: TokenPurpose) -> &'static str {
    match purpose {
        TokenPurpose::PasswordReset => RESET_START,
        TokenPurpose::EmailVerification => VERIFICATION_START,
    }
}

/// The hash of what can be the key of a deployment; nothing for a text that is none.
pub(crate) fn deployment_hash(text: &str) -> Option<SecretHash> {
    is_whole(text, DEPLOYMENT_START, DEPLOYMENT_CHARS).then(|| hash(text))
}

/// The SHA-256 of a text in hexadecimal digits.
pub(crate) fn sha256_hex(text: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

fn hash(text: &str) -> SecretHash {
    SecretHash::new(sha256_hex(text.as_bytes()))
}

fn is_whole(text: &str, start: &str, chars: usize) -> bool {
    text.len() == chars
        && text.starts_with(start)
        && text.split_at_checked(chars - CHECKSUM_CHARS).is_some_and(|(body, sum)| checksum(body) == sum)
}

fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn checksum(body: &str) -> String {
    base32(&crc32(body.as_bytes()).to_be_bytes())
}

/// CRC-32 (ISO-HDLC), bit by bit: it is asked for a few dozen bytes at a time.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl SecretSource for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_knows() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_key_of_a_deployment_has_a_form_of_its_own() {
        let key = Token::new_deployment(&Sevens).unwrap();

        assert_eq!(key.expose().len(), DEPLOYMENT_CHARS);
        assert_eq!(deployment_hash(key.expose()), Some(key.hash()));
        assert_eq!((key_hash(key.expose()), session_hash(key.expose())), (None, None));
        assert_eq!(deployment_hash(Token::new_session(&Sevens).unwrap().expose()), None);
    }

    #[test]
    fn a_key_has_its_form_and_is_known_again() {
        let key = Token::new_key(&Sevens).unwrap();

        assert_eq!((key.expose().len(), key.prefix().as_str()), (KEY_CHARS, "tc_live_a4dqobyh"));
        assert_eq!(key_hash(key.expose()), Some(key.hash()));
        assert_eq!(key.hash().as_str().len(), 64);
        assert_eq!(session_hash(key.expose()), None);
        assert_eq!(format!("{key:?}"), "Token(…)");
    }

    #[test]
    fn a_session_has_its_form_and_is_known_again() {
        let token = Token::new_session(&Sevens).unwrap();

        assert_eq!(token.expose().len(), SESSION_CHARS);
        assert_eq!(session_hash(token.expose()), Some(token.hash()));
        assert_eq!(key_hash(token.expose()), None);
    }

    #[test]
    fn a_token_of_a_mail_is_known_again_for_its_purpose_alone() {
        for purpose in TokenPurpose::ALL {
            let token = Token::new_mailed(purpose, &Sevens).unwrap();

            assert_eq!(mailed_hash(purpose, token.expose()), Some(token.hash()));
            let others = TokenPurpose::ALL.into_iter().filter(|other| *other != purpose);
            assert!(others.into_iter().all(|other| mailed_hash(other, token.expose()).is_none()), "{purpose}");
            assert_eq!((key_hash(token.expose()), session_hash(token.expose())), (None, None));
        }
    }

    #[test]
    fn a_key_with_any_other_character_is_none() {
        let key = Token::new_key(&Sevens).unwrap();
        let mut refused = 0;
        for place in 0..KEY_CHARS {
            let mut text = key.expose().to_owned().into_bytes();
            text[place] = if text[place] == b'z' { b'y' } else { b'z' };
            assert_eq!(key_hash(std::str::from_utf8(&text).unwrap()), None, "another character at {place}");
            refused += 1;
        }
        assert_eq!(refused, KEY_CHARS);
        for text in ["", "tc_live_", "tc_live_ä", &"x".repeat(KEY_CHARS), &"ä".repeat(KEY_CHARS)] {
            assert_eq!(key_hash(text), None, "{text}");
        }
    }
}
