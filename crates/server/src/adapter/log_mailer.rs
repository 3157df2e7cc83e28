//! Mail, where no server of mail is configured.

use async_trait::async_trait;
use turbocat_domain::port::{Mail, MailError, Mailer};

/// Writes mail to the log, for whoever operates this server to pass it on. It holds tokens: who reads the log can use
/// them, as long as they last.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        tracing::info!(to = %mail.to, subject = mail.subject, text = mail.text, "no TURBOCAT_SMTP_URL: a mail to a user");
        Ok(())
    }
}
