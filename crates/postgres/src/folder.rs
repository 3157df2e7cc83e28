//! The folder of a cluster: what is where in it, and that nobody else gets in.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::error::ClusterError;
use crate::identity::Identity;
use crate::postmaster;
use crate::sys;

/// Longest address of a socket: 104 bytes with the closing NUL where it is shortest.
const ADDRESS_BYTES_MAX: usize = 103;

/// The file whose shared lock every user holds.
const USERS_LOCK: &str = "users.lock";

/// The folder of a cluster.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    identity: Identity,
}

impl Folder {
    /// Makes the folder if it is missing, private to whom the server runs as.
    pub(crate) fn prepare(root: &Path) -> Result<Self, ClusterError> {
        let root = std::path::absolute(root).map_err(|source| prepare_error(root, source))?;
        let identity = Identity::choose(&root, &root.join("data"));
        if let Some(parent) = root.parent() {
            make_passable(parent).map_err(|source| prepare_error(parent, source))?;
        }
        if is_foreign(&root) {
            return Err(ClusterError::Foreign { path: root });
        }
        make_private(&root, identity)?;
        let root = root.canonicalize().map_err(|source| prepare_error(&root, source))?;
        Ok(Self { root, identity })
    }

    /// As whom the server runs.
    pub(crate) const fn identity(&self) -> Identity {
        self.identity
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the server keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where the server writes what it has to say.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// The file whose shared lock every user holds.
    pub(crate) fn users_lock(&self) -> PathBuf {
        self.root.join(USERS_LOCK)
    }

    /// Takes a user's share of the cluster; waits while a keeper stops the server.
    pub(crate) fn lock_as_user(&self) -> Result<File, ClusterError> {
        lock(&self.users_lock(), File::lock_shared)
    }

    /// Takes the right to look for the server and to start it.
    pub(crate) fn lock_for_start(&self) -> Result<File, ClusterError> {
        lock(&self.root.join("start.lock"), File::lock)
    }

    /// Makes the private folder of the socket: in the cluster's folder, or where its address is short enough.
    pub(crate) fn make_socket_folder(&self) -> Result<PathBuf, ClusterError> {
        let usual = self.root.join("run");
        let folder = if fits(&usual) { usual } else { self.short_folder() };
        make_private(&folder, self.identity)?;
        Ok(folder)
    }

    fn short_folder(&self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        self.root.hash(&mut hasher);
        let name = format!("turbocat-{}-{:016x}", self.identity.owner(), hasher.finish());
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(|base| PathBuf::from(base).join(&name));
        runtime
            .filter(|folder| self.identity == Identity::Same && folder.is_absolute() && fits(folder))
            .unwrap_or_else(|| Path::new("/tmp").join(name))
    }
}

/// Says what could not be prepared.
pub(crate) fn prepare_error(path: &Path, source: io::Error) -> ClusterError {
    ClusterError::Prepare { path: path.to_owned(), source }
}

/// Whether the address of a socket in this folder is short enough.
fn fits(folder: &Path) -> bool {
    postmaster::socket_in(folder).as_os_str().len() <= ADDRESS_BYTES_MAX
}

/// Whether something else lives in the folder. The lock is the first file that a cluster gets.
fn is_foreign(root: &Path) -> bool {
    let holds = |name: &OsStr| root.join(name).exists();
    fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some())
        && !holds(OsStr::from_bytes(USERS_LOCK.as_bytes()))
}

/// Makes the folders on the way that are missing, so that the server's account can pass them whatever the umask is.
fn make_passable(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_passable(parent)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a folder that only the server's identity can enter, or makes sure that it is such a one: below `/tmp` anybody
/// could have made it before us.
fn make_private(folder: &Path, identity: Identity) -> Result<(), ClusterError> {
    let failed = |source| prepare_error(folder, source);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let metadata = fs::symlink_metadata(folder).map_err(failed)?;
    let ours = metadata.uid() == identity.owner() || metadata.uid() == sys::effective_uid();
    if !(metadata.is_dir() && ours) {
        return Err(ClusterError::Insecure { path: folder.to_owned() });
    }
    if let Identity::Account { uid, gid } = identity
        && metadata.uid() != uid
    {
        chown(folder, Some(uid), Some(gid)).map_err(failed)?;
    }
    if metadata.mode() & 0o777 != 0o700 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Opens a file and locks it; a signal does not end the wait.
fn lock(path: &Path, take: fn(&File) -> io::Result<()>) -> Result<File, ClusterError> {
    let failed = |source| prepare_error(path, source);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    loop {
        match take(&file) {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_its_socket_elsewhere() {
        let long = Folder { root: PathBuf::from(format!("/{}", "x".repeat(200))), identity: Identity::Namespace };
        assert!(!fits(&long.root.join("run")));
        assert!(fits(&long.short_folder()));
        assert!(fits(Path::new("/var/lib/turbocat/pg/run")));
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let root = std::env::temp_dir().join(format!("turbocat-foreign-{}", std::process::id()));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("thesis.tex"), "").unwrap();
        let mode = fs::metadata(&root).unwrap().mode();
        let refused = Folder::prepare(&root);
        let mode_after = fs::metadata(&root).unwrap().mode();
        fs::remove_dir_all(&root).unwrap();
        assert!(matches!(refused, Err(ClusterError::Foreign { .. })), "{refused:?}");
        assert_eq!(mode, mode_after);
    }
}
