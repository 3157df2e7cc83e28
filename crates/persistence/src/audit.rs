//! Whether the audit log is what it was: each entry is looked at against the link that sealed it, and the links
//! against one another.
//!
//! The hashes are computed here and not by the functions of the database that sealed: who can change the log can change
//! those. Who can rewrite the whole chain, its head included, is found out by a head that was kept elsewhere.
//!
//! # Invariants
//!
//! 1. All of it is read in one snapshot: what is appended meanwhile is no breach.
//! 2. A breach does not hide the next one: each link is held against what stands before it.

use std::{fmt, str::FromStr};

use sea_orm::{AccessMode, DatabaseTransaction, FromQueryResult, IsolationLevel, TransactionTrait};
use sha2::{Digest, Sha256};
use turbocat_domain::{id::AuditLogId, port::Result};
use uuid::Uuid;

use crate::{
    convert::Read,
    error::ErrorContext,
    sql,
    store::PgStore,
    transaction::{commit, detached},
};

const ENTITY: &str = "audit log";
/// How many links are read at once.
const PAGE: i64 = 1_000;
/// The most unsealed entries that are named.
const UNSEALED_MAX: i64 = 100;

type Hash = [u8; 32];

/// Where a chain ends. Kept elsewhere it holds the log, up to here, against who can rewrite all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// How many links there are.
    pub seq: i64,
    /// The hash of the last one.
    pub hash: Hash,
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.seq)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for AuditHead {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        read_head(text).ok_or_else(|| format!("`{text}` is no head: a number, a colon and 64 hexadecimal digits"))
    }
}

fn read_head(text: &str) -> Option<AuditHead> {
    let (seq, digits) = text.split_once(':')?;
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, place) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(place..place + 2)?, 16).ok()?;
    }
    Some(AuditHead { seq: seq.parse().ok().filter(|seq| *seq >= 0)?, hash })
}

/// One thing that is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditBreach {
    /// An entry is another than the one that was sealed.
    Edited(i64, AuditLogId),
    /// An entry is gone.
    Deleted(i64, AuditLogId),
    /// A link stands in another place, or after another one, than it was sealed in.
    Moved(i64, AuditLogId),
    /// The links from here to there are gone.
    Unlinked(i64, i64),
    /// An entry was written past what seals.
    Unsealed(AuditLogId),
    /// The chain does not end where its head says.
    Cut(AuditHead),
    /// The chain does not go through the head that was kept elsewhere: it is shorter, or was written anew.
    Rewritten(AuditHead),
}

impl fmt::Display for AuditBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited(seq, entry) => write!(f, "entry {seq} ({entry}) was edited"),
            Self::Deleted(seq, entry) => write!(f, "entry {seq} ({entry}) was deleted"),
            Self::Moved(seq, entry) => {
                write!(
                    f,
                    "entry {seq} ({entry}) does not follow the one before it: it was moved, or its link was edited"
                )
            }
            Self::Unlinked(from, to) if from == to => write!(f, "entry {from} was deleted together with its link"),
            Self::Unlinked(from, to) => write!(f, "entries {from} to {to} were deleted together with their links"),
            Self::Unsealed(entry) => write!(f, "{entry} was written without being sealed"),
            Self::Cut(head) => write!(f, "the log does not end at its head {head}"),
            Self::Rewritten(head) => {
                write!(f, "the log does not go through {head}: it was written anew, or is shorter")
            }
        }
    }
}

/// How the audit log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// How many links were looked at.
    pub links: u64,
    /// Where the chain ends.
    pub head: AuditHead,
    /// All that is not as it was, in the order of the log.
    pub breaches: Vec<AuditBreach>,
}

#[derive(FromQueryResult)]
struct LinkRow {
    seq: i64,
    audit_log_id: Uuid,
    entry_hash: Vec<u8>,
    hash: Vec<u8>,
    entry: Option<String>,
    has_another_user: bool,
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

#[derive(FromQueryResult)]
struct HeadRow {
    seq: i64,
    hash: Vec<u8>,
}

impl PgStore {
    /// Looks at the whole audit log, and whether it goes through a head that was kept elsewhere.
    ///
    /// # Errors
    ///
    /// [`RepositoryError::Backend`](turbocat_domain::port::RepositoryError::Backend) if it cannot be read.
    pub async fn verify_audit_log(&self, kept: Option<AuditHead>) -> Result<AuditReport> {
        let db = self.db().clone();
        detached(async move {
            let snapshot = (Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly));
            let tx = db.begin_with_config(snapshot.0, snapshot.1).await.about(ENTITY)?;
            let report = verify(&tx, kept).await?;
            commit(tx).await?;
            Ok(report)
        })
        .await
    }
}

async fn verify(tx: &DatabaseTransaction, kept: Option<AuditHead>) -> Result<AuditReport> {
    let mut walk = Walk::new(kept);
    loop {
        let statement = sql::list_audit_links(walk.at.seq, PAGE);
        let rows = LinkRow::find_by_statement(statement).all(tx).await.about(ENTITY)?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            walk.step(row);
        }
    }
    let unsealed = IdRow::find_by_statement(sql::list_unsealed_audit_logs(UNSEALED_MAX)).all(tx).await.about(ENTITY)?;
    walk.breaches.extend(unsealed.iter().map(|row| AuditBreach::Unsealed(AuditLogId::from_uuid(row.id))));
    let head = HeadRow::find_by_statement(sql::get_audit_head()).one(tx).await.about(ENTITY)?;
    walk.end(Read(ENTITY).required(head, "head")?)
}

/// A look along the chain.
struct Walk {
    /// The last link that was looked at, as it is stored.
    at: AuditHead,
    kept: Option<AuditHead>,
    links: u64,
    breaches: Vec<AuditBreach>,
}

impl Walk {
    fn new(kept: Option<AuditHead>) -> Self {
        let mut walk =
            Self { at: AuditHead { seq: 0, hash: Sha256::digest([]).into() }, kept, links: 0, breaches: Vec::new() };
        walk.meet_kept();
        walk
    }

    fn step(&mut self, row: &LinkRow) {
        let entry = AuditLogId::from_uuid(row.audit_log_id);
        if row.seq != self.at.seq + 1 {
            self.breaches.push(AuditBreach::Unlinked(self.at.seq + 1, row.seq - 1));
        }
        match &row.entry {
            None => self.breaches.push(AuditBreach::Deleted(row.seq, entry)),
            Some(text) if row.has_another_user || Sha256::digest(text).as_slice() != row.entry_hash => {
                self.breaches.push(AuditBreach::Edited(row.seq, entry));
            }
            Some(_) => {}
        }
        let follows = row.seq == self.at.seq + 1;
        let hash = Sha256::new()
            .chain_update(self.at.hash)
            .chain_update(row.seq.to_be_bytes())
            .chain_update(&row.entry_hash)
            .finalize();
        if follows && hash.as_slice() != row.hash {
            self.breaches.push(AuditBreach::Moved(row.seq, entry));
        }
        // A hash of another length is none: what follows is not held against it.
        let stored = Hash::try_from(row.hash.as_slice()).unwrap_or_else(|_| hash.into());
        self.at = AuditHead { seq: row.seq, hash: stored };
        self.links += 1;
        self.meet_kept();
    }

    /// Forgets the head that was kept elsewhere as soon as the chain has gone through it.
    fn meet_kept(&mut self) {
        if self.kept == Some(self.at) {
            self.kept = None;
        }
    }

    fn end(mut self, head: HeadRow) -> Result<AuditReport> {
        let hash = Hash::try_from(head.hash).map_err(|_| Read(ENTITY).corrupt("the hash of its head is none"))?;
        let head = AuditHead { seq: head.seq, hash };
        if head != self.at {
            self.breaches.push(AuditBreach::Cut(head));
        }
        self.breaches.extend(self.kept.map(AuditBreach::Rewritten));
        Ok(AuditReport { links: self.links, head: self.at, breaches: self.breaches })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_text_and_another_text_is_none() {
        let head = AuditHead { seq: 7, hash: Sha256::digest("x").into() };
        let text = head.to_string();

        assert_eq!(text.parse(), Ok(head));
        for other in ["", "7", "7:", &text[1..], &format!("{text}0"), &text.replace(':', "-"), &format!("-{text}")] {
            assert!(other.parse::<AuditHead>().is_err(), "{other}");
        }
        assert!(format!("7:{}", "ä".repeat(32)).parse::<AuditHead>().is_err());
    }
}
