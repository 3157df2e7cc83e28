//! Where the binaries of `PostgreSQL` are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::error::NotInstalled;
use crate::package::InstallCommand;

/// The variable that names the folder of the binaries.
const VARIABLE: &str = "TURBOCAT_PG_BIN";

/// An installed `PostgreSQL` server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    bin: PathBuf,
    major: u32,
}

impl Installation {
    /// Finds the newest installation of the first of these places that has one: the folder that `TURBOCAT_PG_BIN`
    /// names (then no other counts), the folders of the distributions, what `pg_config` says, and the search path.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`], with the command that changes it.
    pub fn find() -> Result<Self, NotInstalled> {
        Self::all().next().ok_or_else(|| match named_folder() {
            Some(folder) => NotInstalled::InNamedFolder { folder },
            None => NotInstalled::Anywhere { command: InstallCommand::of_this_system().map(InstallCommand::text) },
        })
    }

    /// Finds an installation of one major version.
    pub(crate) fn find_major(major: u32) -> Option<Self> {
        Self::all().find(|installation| installation.major == major)
    }

    /// Installs `PostgreSQL` with the package manager of this system, which talks to the terminal of this process.
    /// If `TURBOCAT_PG_BIN` names a folder, no other counts, and nothing is installed.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`] if there is still none afterwards.
    pub fn install() -> Result<Self, NotInstalled> {
        if named_folder().is_none()
            && let Some(command) = InstallCommand::of_this_system()
            && let Err(error) = command.run()
        {
            tracing::warn!(%error, "the package manager could not be run");
        }
        Self::find()
    }

    /// The folder of the binaries.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The major version, for example 15.
    #[must_use]
    pub const fn major(&self) -> u32 {
        self.major
    }

    fn all() -> impl Iterator<Item = Self> {
        candidates().into_iter().filter_map(|bin| Self::at(&bin))
    }

    /// Looks at one folder: both programs must be there, and the server must say its version.
    fn at(bin: &Path) -> Option<Self> {
        if !bin.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { bin: bin.to_owned(), major })
    }
}

/// The folder that the environment names; a variable that is set to nothing names none.
fn named_folder() -> Option<PathBuf> {
    env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The folders in which binaries may be, the best first.
fn candidates() -> Vec<PathBuf> {
    if let Some(bin) = named_folder() {
        return vec![bin];
    }
    let mut found = versioned("/usr/lib/postgresql", "", "bin");
    found.extend(pg_config());
    found.extend(versioned("/usr", "pgsql-", "bin"));
    found.extend(versioned("/usr/libexec", "postgresql", ""));
    found.extend(versioned("/opt/homebrew/opt", "postgresql@", "bin"));
    found.extend(versioned("/usr/local/opt", "postgresql@", "bin"));
    found.extend(env::var_os("PATH").iter().flat_map(|path| env::split_paths(path).collect::<Vec<_>>()));
    found
}

/// The folders `<parent>/<prefix><number>/<suffix>`, the highest number first.
fn versioned(parent: &str, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut numbered: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join(suffix)))
        })
        .collect();
    numbered.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    numbered.into_iter().map(|(_, path)| path).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(text.trim())).filter(|path| path.is_absolute())
}

/// Reads the major version out of `postgres (PostgreSQL) 15.18 (Debian …)`, also of a `17beta1`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL)")?.1.trim_start();
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta2\n"), Some(18));
        assert_eq!(parse_major("postgres (EnterpriseDB) 15\n"), None);
        assert_eq!(parse_major("postgres (PostgreSQL) devel"), None);
    }

    #[test]
    fn higher_versions_come_first() {
        let parent = env::temp_dir().join(format!("turbocat-versions-{}", std::process::id()));
        for name in ["9", "15", "100", "x"] {
            fs::create_dir_all(parent.join(name)).unwrap();
        }
        let found = versioned(parent.to_str().unwrap(), "", "bin");
        fs::remove_dir_all(&parent).unwrap();
        let expected: Vec<_> = ["100/bin", "15/bin", "9/bin"].iter().map(|name| parent.join(name)).collect();
        assert_eq!(found, expected);
    }
}
