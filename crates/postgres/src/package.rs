//! Which command installs `PostgreSQL` on this system.

use std::process::Command;
use std::{fs, io};

use crate::sys;

/// A package manager and what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstallCommand {
    /// What refreshes the manager's lists first: in a fresh container they are empty.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    as_root: bool,
}

const APT: InstallCommand = InstallCommand {
    refresh: Some(&["apt-get", "update"]),
    install: &["apt-get", "install", "--yes", "postgresql"],
    as_root: true,
};
const DNF: InstallCommand =
    InstallCommand { refresh: None, install: &["dnf", "install", "--assumeyes", "postgresql-server"], as_root: true };
const APK: InstallCommand = InstallCommand { refresh: None, install: &["apk", "add", "postgresql"], as_root: true };
const PACMAN: InstallCommand =
    InstallCommand { refresh: None, install: &["pacman", "-S", "--noconfirm", "postgresql"], as_root: true };
const ZYPPER: InstallCommand = InstallCommand {
    refresh: None,
    install: &["zypper", "--non-interactive", "install", "postgresql-server"],
    as_root: true,
};
const BREW: InstallCommand =
    InstallCommand { refresh: None, install: &["brew", "install", "postgresql"], as_root: false };

impl InstallCommand {
    /// The command for this system, if it is one that is known.
    pub(crate) fn of_this_system() -> Option<Self> {
        if cfg!(target_os = "macos") {
            return Some(BREW);
        }
        fs::read_to_string("/etc/os-release").ok().and_then(|text| Self::of_release(&text))
    }

    /// The command for the system that an `os-release` file describes: its own name decides, else what it is like.
    fn of_release(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            Some(line.trim().trim_matches('"').to_owned())
        };
        let names = [value("ID"), value("ID_LIKE")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        names.split_whitespace().find_map(|name| match name {
            "debian" | "ubuntu" => Some(APT),
            "fedora" | "rhel" | "centos" | "amzn" => Some(DNF),
            "alpine" => Some(APK),
            "arch" => Some(PACMAN),
            "suse" | "opensuse" | "sles" => Some(ZYPPER),
            _ => None,
        })
    }

    /// The command as a person types it.
    pub(crate) fn text(self) -> String {
        self.words(self.install).join(" ")
    }

    /// Runs it on the terminal of this process. Success is whether the binaries are there afterwards, so a manager
    /// that ends with an error is only told of.
    pub(crate) fn run(self) -> io::Result<()> {
        for words in self.refresh.into_iter().chain([self.install]) {
            let mut words = self.words(words).into_iter();
            let Some(program) = words.next() else { continue };
            let status = Command::new(program).args(words).status()?;
            if !status.success() {
                tracing::warn!(program, %status, "the package manager reports an error");
            }
        }
        Ok(())
    }

    fn words(self, words: &[&'static str]) -> Vec<&'static str> {
        let elevate = self.as_root && sys::effective_uid() != 0;
        elevate.then_some("sudo").into_iter().chain(words.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_known_by_its_name_or_by_what_it_is_like() {
        let of = InstallCommand::of_release;
        assert_eq!(of("NAME=\"Debian GNU/Linux\"\nID=debian\n"), Some(APT));
        assert_eq!(of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Some(APT));
        assert_eq!(of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Some(DNF));
        assert_eq!(of("ID=alpine\nVERSION_ID=3.20\n"), Some(APK));
        assert_eq!(of("ID=manjaro\nID_LIKE=arch\n"), Some(PACMAN));
        assert_eq!(of("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n"), Some(ZYPPER));
        assert_eq!(of("ID=plan9\n"), None);
        assert_eq!(of("VERSION_ID=debian\n"), None);
    }

    #[test]
    fn the_text_ends_with_the_command() {
        assert!(APT.text().ends_with("apt-get install --yes postgresql"));
        assert_eq!(BREW.text(), "brew install postgresql");
    }
}
