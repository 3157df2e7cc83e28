//! As whom the server runs: `PostgreSQL` refuses root, and Turbocat does not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::sys;

/// As whom the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// As this process, which is not root.
    Same,
    /// As the account that the distribution made for it.
    Account {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
    /// In a user namespace in which root looks like `nobody`. The files stay root's.
    Namespace,
}

impl Identity {
    /// Chooses for a cluster in `root`. Whoever owns the data decides, since nobody else could read them; new data
    /// go to the account if it is there and can reach the folder (below `/root` it cannot).
    pub(crate) fn choose(root: &Path, data: &Path) -> Self {
        if sys::effective_uid() != 0 {
            return Self::Same;
        }
        let account = account();
        match (account, fs::metadata(data)) {
            (Some((uid, gid)), Ok(metadata)) if metadata.uid() == uid => Self::Account { uid, gid },
            (Some((uid, gid)), Err(_)) if reachable(root, uid, gid) => Self::Account { uid, gid },
            _ => Self::Namespace,
        }
    }

    /// Who owns the files, as seen from outside.
    pub(crate) fn owner(self) -> u32 {
        match self {
            Self::Account { uid, .. } => uid,
            Self::Same | Self::Namespace => sys::effective_uid(),
        }
    }
}

/// The ids of the account `postgres`.
fn account() -> Option<(u32, u32)> {
    parse_account(&fs::read_to_string("/etc/passwd").ok()?)
}

fn parse_account(passwd: &str) -> Option<(u32, u32)> {
    let mut fields = passwd.lines().find(|line| line.starts_with("postgres:"))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Whether an account may pass through all folders above `root` that exist.
fn reachable(root: &Path, uid: u32, gid: u32) -> bool {
    root.ancestors().skip(1).filter_map(|folder| fs::metadata(folder).ok()).all(|metadata| {
        let bit = if metadata.uid() == uid {
            0o100
        } else if metadata.gid() == gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_the_list_of_accounts() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(parse_account(passwd), Some((101, 104)));
        assert_eq!(parse_account("postgresql:x:1:2::/:/bin/sh"), None);
    }

    #[test]
    fn a_private_folder_of_another_user_cannot_be_passed() {
        use std::os::unix::fs::PermissionsExt;
        let private = std::env::temp_dir().join(format!("turbocat-private-{}", std::process::id()));
        fs::create_dir(&private).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        let (below, nobody) = (private.join("pg"), 65_534);
        assert!(!reachable(&below, nobody, nobody));
        fs::set_permissions(&private, fs::Permissions::from_mode(0o711)).unwrap();
        let opened = reachable(&below, nobody, nobody);
        fs::remove_dir(&private).unwrap();
        assert!(opened);
    }
}
