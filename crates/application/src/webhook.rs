//! Webhooks: what another system sends to the address of a workflow starts it, once for each message.
//!
//! Messages are signed as the Standard Webhooks specification (standardwebhooks.com) has it: the header
//! `webhook-signature` has one or more `v1,` and the base64 of the HMAC-SHA256 of `ID.TIMESTAMP.BODY`.
//!
//! # Invariants
//!
//! 1. Nothing of a message is looked at before one of its signatures was made with one of the owner's keys.
//! 2. A message is taken within five minutes of its timestamp, and started once for its id, however often it is sent.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use turbocat_domain::{
    execution::TriggerType,
    id::{ExecutionId, WorkflowId},
    port::{ExecutionAcceptor, SecretVault},
    workflow::Workflow,
};

use crate::{
    Access, Actor, Error, Idempotency, Result, Selector, SourceFile, StartExecution, Started, StoredSecrets,
    access::sha256_hex,
    execution::document_of,
    library::{missing, named},
    read_value,
    trigger::traced,
};

const WEBHOOK: &str = "webhook";
/// By how much the clock of a sender may differ, and how long a message is on its way at most.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// How a key is written.
const KEY_PREFIX: &str = "whsec_";
/// The fewest bytes of a key.
const KEY_BYTES_MIN: usize = 16;

/// A message, as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookCall {
    /// A version of the workflow that it is meant for: the active one of the same name is started.
    pub workflow: WorkflowId,
    /// `webhook-id`: the same for all deliveries of a message.
    pub id: String,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`: signatures, with a space between two.
    pub signatures: String,
    /// The body.
    pub body: Vec<u8>,
    /// The trace that it belongs to, as the header of that name has it.
    pub traceparent: Option<String>,
}

impl Access {
    /// Starts the workflow that a message is meant for, with its body as input. One that is sent again gets the
    /// execution that it started first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if the workflow is not there or takes no webhooks; [`Error::Unsigned`];
    /// [`Error::Input`] if the workflow does not take the body as input; [`Error::Invalid`] if that is no JSON;
    /// [`Error::IdempotencyConflict`] if another message had this id.
    pub async fn receive_webhook(
        &self,
        call: WebhookCall,
        acceptor: &dyn ExecutionAcceptor,
        id: ExecutionId,
    ) -> Result<Started> {
        let sent_at = self.sent_at(&call)?;
        let (workflow, actor) = self.meant(call.workflow).await?;
        self.check_signature(&call, &workflow).await?;
        let input = match std::str::from_utf8(&call.body) {
            Ok("") => json!({}),
            Ok(text) => {
                let file = SourceFile { name: "body.json".to_owned(), text: text.to_owned() };
                read_value(&file).map_err(|located| Error::Invalid(located.problem.into()))?
            }
            Err(_) => return Err(Error::Unsigned { reason: "the body is not UTF-8" }),
        };
        // Two workflows may get the same message.
        let key = sha256_hex(format!("{}\0{}", workflow.name, call.id).as_bytes());
        let once = Idempotency::new(&format!("webhook:{key}"), "webhooks.receive", &call.body)?;
        let trigger_data = json!({ "webhook_id": call.id, "sent_at": sent_at });
        let request = StartExecution {
            id,
            workflow: Selector::Id(workflow.id),
            input,
            trigger_type: TriggerType::Webhook,
            trigger_data: traced(trigger_data, call.traceparent.as_deref()),
        };
        self.use_cases().start_once((actor, &once), acceptor, request).await
    }

    /// When a message was sent, if that is now.
    fn sent_at(&self, call: &WebhookCall) -> Result<DateTime<Utc>> {
        let unsigned = |reason| Error::Unsigned { reason };
        if call.id.is_empty() || call.signatures.is_empty() {
            return Err(unsigned("it needs the headers webhook-id, webhook-timestamp and webhook-signature"));
        }
        let seconds = call.timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let sent_at = seconds.ok_or_else(|| unsigned("webhook-timestamp is not a number of seconds since 1970"))?;
        if (self.use_cases().ports.clock.now() - sent_at).abs() > TOLERANCE {
            return Err(unsigned("webhook-timestamp is more than five minutes from now"));
        }
        Ok(sent_at)
    }

    /// The active version of the workflow that a message is meant for, and in whose name it runs.
    async fn meant(&self, id: WorkflowId) -> Result<(Workflow, Actor)> {
        let (queries, nothing) = (&self.use_cases().ports.queries, || missing(WEBHOOK, id));
        let named = queries.workflows().get(id).await.map_err(|error| named(error, WEBHOOK, id))?;
        if named.deleted_at.is_some() {
            return Err(nothing());
        }
        let active = queries.workflows().find_active(named.user_id, named.name.as_str()).await?;
        let active = active.filter(|active| active.user_id == named.user_id).ok_or_else(nothing)?;
        let owner = queries.users().get(active.user_id).await?;
        if !owner.can_act() {
            return Err(nothing());
        }
        Ok((active, Actor::from(&owner)))
    }

    /// Refuses what no key of the owner has signed.
    async fn check_signature(&self, call: &WebhookCall, workflow: &Workflow) -> Result<()> {
        let document = document_of(workflow)?;
        let Some(webhook) = &document.triggers().webhook else { return Err(missing(WEBHOOK, call.workflow)) };
        let vault = StoredSecrets::new(Arc::clone(&self.use_cases().ports.queries), Arc::clone(self.cipher()));
        let found = vault.reveal(workflow.user_id, &[webhook.secret.to_string()]).await.map_err(|error| {
            tracing::warn!(workflow.id = %workflow.id, %error, "the secret of a webhook cannot be read");
            Error::Unsigned { reason: "the keys of this webhook cannot be read" }
        })?;
        let Some(secret) = found.first() else {
            tracing::warn!(workflow.id = %workflow.id, secret = %webhook.secret, "a webhook has no secret");
            return Err(Error::Unsigned {
                reason: "this webhook has no keys yet: its owner sets the secret that it names",
            });
        };
        if is_signed(call, &secret.value) {
            return Ok(());
        }
        Err(Error::Unsigned { reason: "no signature in webhook-signature was made with a key of this webhook" })
    }
}

/// Whether one of the signatures was made with one of the keys, which stand in the secret with spaces between them: so
/// that a new one can be given out before the one before is taken away.
fn is_signed(call: &WebhookCall, secret: &str) -> bool {
    let keys = secret.split_ascii_whitespace().filter_map(|key| {
        let key = BASE64.decode(key.strip_prefix(KEY_PREFIX)?.as_bytes()).ok()?;
        (key.len() >= KEY_BYTES_MIN).then_some(key)
    });
    let signatures: Vec<Vec<u8>> = call
        .signatures
        .split(' ')
        .filter_map(|signature| BASE64.decode(signature.strip_prefix("v1,")?.as_bytes()).ok())
        .collect();
    let is_of = |key: Vec<u8>| {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(&key) else { return false };
        let mac = mac.chain_update(format!("{}.{}.", call.id, call.timestamp)).chain_update(&call.body);
        // The comparison takes as long for a wrong one.
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    };
    keys.into_iter().any(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn call(signatures: &str) -> WebhookCall {
        WebhookCall {
            workflow: WorkflowId::from_uuid(uuid::Uuid::nil()),
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
            timestamp: "1614265330".to_owned(),
            signatures: signatures.to_owned(),
            body: br#"{"test": 2432232314}"#.to_vec(),
            traceparent: None,
        }
    }

    #[test]
    fn the_example_of_the_specification_is_signed() {
        let signed = call("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(is_signed(&signed, SECRET));
        assert!(is_signed(&call(&format!("v1a,xx v1,AAAA {}", signed.signatures)), SECRET), "one of several");
        assert!(is_signed(&signed, &format!("whsec_{} {SECRET}", BASE64.encode(&[7; 24]))), "one of two keys");
    }

    #[test]
    fn what_differs_in_anything_is_not_signed() {
        let signed = call("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let others = [
            WebhookCall { id: "msg_other".to_owned(), ..signed.clone() },
            WebhookCall { timestamp: "1614265331".to_owned(), ..signed.clone() },
            WebhookCall { body: b"{}".to_vec(), ..signed.clone() },
            WebhookCall { signatures: String::new(), ..signed.clone() },
            WebhookCall { signatures: "v1,".to_owned(), ..signed.clone() },
            WebhookCall { signatures: signed.signatures.replace("v1,", "v2,"), ..signed.clone() },
        ];
        for other in others {
            assert!(!is_signed(&other, SECRET), "{other:?}");
        }
        for secret in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_ä"] {
            assert!(!is_signed(&signed, secret), "{secret}");
        }
    }
}
