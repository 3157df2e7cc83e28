//! Mail to users.

use std::fmt;

use async_trait::async_trait;

use crate::value::Email;

/// A mail to one user. It may hold a token: it does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// What it is about, in one line.
    pub subject: String,
    /// What it says, as plain text.
    pub text: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("to", &self.to).field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the mail was not sent: {reason}")]
pub struct MailError {
    /// What went wrong.
    pub reason: String,
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail. It may take seconds: MUST NOT be called in a transaction, nor while a client waits.
    ///
    /// # Errors
    ///
    /// [`MailError`] if it was not taken; it may have been sent all the same.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_does_not_show_what_it_says() {
        let to = Email::parse("ada@example.com").unwrap();
        let mail = Mail { to, subject: "Hello".to_owned(), text: "tc_reset_secret".to_owned() };

        let shown = format!("{mail:?}");
        assert!(shown.contains("ada@example.com") && !shown.contains("secret"), "{shown}");
    }
}
