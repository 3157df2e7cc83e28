//! A mailbox in which all mail is found.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use turbocat_domain::port::{Mail, MailError, Mailer};

/// Keeps what is sent, or refuses it when it is told to.
#[derive(Debug, Default)]
pub struct Mailbox {
    mails: Mutex<Vec<Mail>>,
    refuses: AtomicBool,
}

impl Mailbox {
    /// Refuses all that is sent from now on.
    pub fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }

    /// Takes out what was sent, the oldest first.
    #[must_use]
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.mails())
    }

    fn mails(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(MailError { reason: "the mailbox refuses".to_owned() });
        }
        self.mails().push(mail.clone());
        Ok(())
    }
}
