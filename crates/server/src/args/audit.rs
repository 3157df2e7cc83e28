//! `turbocat audit`.

use clap::Subcommand;
use turbocat_persistence::AuditHead;

/// `turbocat audit`.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(after_help = "Examples:\n  \
    turbocat audit verify\n  \
    turbocat audit verify --head 1207:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub(crate) enum AuditCommand {
    /// Look whether the audit log is what it was: nothing edited, deleted, reordered or slipped in
    #[command(after_help = "Examples:\n  \
        turbocat audit verify\n  \
        turbocat audit verify --head 1207:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n\n\
        It names each entry that is not as it was, and exits with 1 if there is one; else it prints the head of the log. \
        Who owns the database could write the whole log anew: keep a head somewhere else, and give it back later.")]
    Verify {
        /// A head that was printed before: the log must go through it
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<AuditHead>,
    },
}
