//! Mail by SMTP.

use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use turbocat_domain::port::{Mail, MailError, Mailer};

/// How long a server of mail may take for each of its answers.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Hands mail to a server, one connection each.
pub(crate) struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpMailer {
    /// A server, by its address, and who the mail is from.
    ///
    /// # Errors
    ///
    /// If the address is none, or would send tokens over a network as everybody can read them; if the sender is none.
    /// Neither error repeats the address: it may hold a password.
    pub(crate) fn new(url: &str, from: &str) -> anyhow::Result<Self> {
        if is_readable_on_the_way(url) {
            bail!(
                "TURBOCAT_SMTP_URL: mail holds tokens, and would go over the network for everybody to read; use \
                 smtps://, or smtp:// with ?tls=required"
            );
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .ok()
            .context("TURBOCAT_SMTP_URL is none: expected smtps://USER:PASSWORD@HOST or smtp://HOST:PORT?tls=required")?
            .timeout(Some(TIMEOUT))
            .build();
        let from = from.parse().ok().with_context(|| {
            format!("TURBOCAT_MAIL_FROM: `{from}` is no sender: expected `Turbocat <cat@example.com>`")
        })?;
        Ok(Self { transport, from })
    }

    fn message(&self, mail: &Mail) -> Result<Message, String> {
        let to = mail.to.as_str().parse::<Address>().map_err(|error| error.to_string())?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.clone())
            .map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.message(mail).map_err(|reason| MailError { reason })?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => Err(MailError { reason: with_causes(&error) }),
        }
    }
}

/// Whether an address names a server without TLS that is not on this machine.
fn is_readable_on_the_way(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("smtp://") else { return false };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let server = place.split('/').next().unwrap_or_default();
    let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
    let host = match server.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => server.split(':').next().unwrap_or_default(),
    };
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    !is_here && !query.split('&').any(|pair| pair == "tls=required")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
        task::JoinHandle,
    };
    use turbocat_domain::value::Email;

    use super::*;

    /// A server of mail that takes one mail, or refuses its receiver, and says what it was told.
    async fn server(answer_to_receiver: &'static str) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            let (mut told, mut is_in_body) = (Vec::new(), false);
            write.write_all(b"220 here\r\n").await.unwrap();
            while let Some(line) = lines.next_line().await.unwrap() {
                let answer = match line.as_str() {
                    "." => {
                        is_in_body = false;
                        "250 taken\r\n"
                    }
                    _ if is_in_body => "",
                    "DATA" => {
                        is_in_body = true;
                        "354 go on\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    line if line.starts_with("RCPT") => answer_to_receiver,
                    _ => "250 yes\r\n",
                };
                told.push(line);
                write.write_all(answer.as_bytes()).await.unwrap();
                if answer.starts_with("221") {
                    break;
                }
            }
            told
        });
        (url, task)
    }

    fn mail() -> Mail {
        Mail {
            to: Email::parse("ada@example.com").unwrap(),
            subject: "Set a new password".to_owned(),
            text: "Use this:\n\n    tc_reset_token\n.\nGood bye – and good luck\n".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_mail_is_handed_to_the_server_as_it_is() {
        let (url, server) = server("250 yes\r\n").await;
        let mailer = SmtpMailer::new(&url, "Turbocat <cat@example.com>").unwrap();

        mailer.send(&mail()).await.unwrap();
        drop(mailer);

        let told = server.await.unwrap();
        for expected in [
            "MAIL FROM:<cat@example.com>",
            "RCPT TO:<ada@example.com>",
            "From: Turbocat <cat@example.com>",
            "To: ada@example.com",
            "Subject: Set a new password",
            "    tc_reset_token",
        ] {
            assert!(
                told.iter().any(|line| line == expected || line.starts_with(&format!("{expected} "))),
                "{expected}: {told:#?}"
            );
        }
        assert!(told.iter().any(|line| line.starts_with("Date: ")), "{told:#?}");
    }

    #[tokio::test]
    async fn a_mail_that_is_not_taken_is_an_error_that_says_why() {
        let (url, server) = server("550 no such mailbox\r\n").await;
        let mailer = SmtpMailer::new(&url, "cat@example.com").unwrap();

        let error = mailer.send(&mail()).await.unwrap_err();

        assert!(error.reason.contains("no such mailbox") && !error.reason.contains("tc_reset_"), "{error}");
        server.abort();
        let nobody = SmtpMailer::new(&url, "cat@example.com").unwrap();
        drop(server.await);
        assert!(nobody.send(&mail()).await.is_err(), "nobody listens any more");
    }

    #[test]
    fn what_would_be_readable_on_the_way_is_refused_and_no_error_shows_a_password() {
        let refused = |url: &str, from: &str| {
            let error = SmtpMailer::new(url, from).err().map(|error| format!("{error:#}"));
            assert!(!error.clone().unwrap_or_default().contains("hunter2"), "{error:?}");
            error
        };
        let from = "cat@example.com";
        for readable in
            ["smtp://mail.example.com", "smtp://u:hunter2@mail.example.com:25", "smtp://10.0.0.1?tls=opportunistic"]
        {
            assert!(refused(readable, from).unwrap().contains("tls=required"), "{readable}");
        }
        for wrong in
            ["mail.example.com", "https://u:hunter2@mail.example.com", "smtps://", "smtp://localhost?tls=maybe"]
        {
            assert!(refused(wrong, from).unwrap().contains("TURBOCAT_SMTP_URL"), "{wrong}");
        }
        for right in [
            "smtps://u:hunter2@mail.example.com",
            "smtp://u:hunter2@mail.example.com:587?tls=required",
            "smtp://localhost:1025",
            "smtp://[::1]:25",
            "smtp://127.0.0.1",
        ] {
            assert_eq!(refused(right, from), None, "{right}");
        }
        assert!(refused("smtp://localhost", "not an address").unwrap().contains("TURBOCAT_MAIL_FROM"));
    }
}
