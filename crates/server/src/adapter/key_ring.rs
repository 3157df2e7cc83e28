//! The keys of secrets, and what they do: ChaCha20-Poly1305 with a random nonce, the binding as associated data.
//!
//! The keys stand outside of the database: in `TURBOCAT_SECRETS_KEY`, or in a file of the data folder that is made
//! when the first secret is set, for its owner alone. The file holds one key a line, the one of now first; a rotation
//! puts a new one before the others. They stay, so that another process that still seals under an old one loses
//! nothing, and so that a backup can be opened.
//!
//! # Invariants
//!
//! 1. A key file that others may read is refused.
//! 2. A key is in the file, and the file on the disk, before anything is sealed under it.

use std::{
    fmt::{self, Write as FmtWrite},
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
};
use turbocat_domain::{
    port::{CipherError, SecretCipher},
    secret::Sealed,
};

const KEY_BYTES: usize = 32;
/// How many bytes of the hash of a key are its id.
const ID_BYTES: usize = 8;

/// Where the keys are.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// They are given: the one of now first, in base64, divided by commas.
    Given(String),
    /// In this file, which is made when it is missing.
    File(PathBuf),
}

/// Seals and opens secrets.
pub(crate) struct KeyRing {
    source: KeySource,
}

struct Key {
    id: String,
    bytes: [u8; KEY_BYTES],
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").finish_non_exhaustive()
    }
}

impl KeyRing {
    /// The keys that are there. Nothing is read or made before the first secret needs it.
    pub(crate) const fn new(source: KeySource) -> Self {
        Self { source }
    }

    /// All keys, the one of now first; made if there are none. Read anew each time: another process may have made one.
    fn keys(&self) -> Result<Vec<Key>, CipherError> {
        match &self.source {
            KeySource::Given(text) => parse(text.split(','), "TURBOCAT_SECRETS_KEY"),
            KeySource::File(path) => match read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    change(path, |keys| if keys.is_empty() { vec![new_line()] } else { Vec::new() })
                }
                read => parse(read.map_err(|error| unusable(path, &error))?.lines(), &path.display().to_string()),
            },
        }
    }

    /// How many keys there are; none is made.
    ///
    /// # Errors
    ///
    /// [`CipherError::Keys`] if they cannot be used.
    pub(crate) fn count(&self) -> Result<usize, CipherError> {
        match &self.source {
            KeySource::File(path) if !path.exists() => Ok(0),
            KeySource::File(_) | KeySource::Given(_) => Ok(self.keys()?.len()),
        }
    }

    fn now(&self) -> Result<Key, CipherError> {
        self.keys()?.into_iter().next().ok_or_else(|| CipherError::Keys("there is no key for secrets".to_owned()))
    }
}

impl SecretCipher for KeyRing {
    fn current(&self) -> Result<String, CipherError> {
        Ok(self.now()?.id)
    }

    fn rotate(&self) -> Result<String, CipherError> {
        if let KeySource::File(path) = &self.source {
            change(path, |_| vec![new_line()])?;
        }
        self.current()
    }

    fn seal(&self, binding: &str, value: &str) -> Result<Sealed, CipherError> {
        let key = self.now()?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| no_randomness())?;
        let mut sealed = value.as_bytes().to_vec();
        key.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(binding), &mut sealed)
            .map_err(|_| CipherError::Keys("the value is too long to be sealed".to_owned()))?;
        Ok(Sealed { key_id: key.id, bytes: [nonce.as_slice(), &sealed].concat() })
    }

    fn open(&self, binding: &str, sealed: &Sealed) -> Result<String, CipherError> {
        let key = self.keys()?.into_iter().find(|key| key.id == sealed.key_id);
        let key = key.ok_or_else(|| CipherError::UnknownKey(sealed.key_id.clone()))?;
        let (nonce, text) = sealed.bytes.split_first_chunk::<NONCE_LEN>().ok_or(CipherError::Forged)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.cipher()?.open_in_place(nonce, Aad::from(binding), &mut text);
        let value = opened.map_err(|_| CipherError::Forged)?.to_vec();
        String::from_utf8(value).map_err(|_| CipherError::Forged)
    }
}

impl Key {
    fn cipher(&self) -> Result<LessSafeKey, CipherError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.bytes);
        Ok(LessSafeKey::new(key.map_err(|_| CipherError::Keys("a key for secrets has another length".to_owned()))?))
    }
}

/// Reads keys. No message repeats a key.
fn parse<'a>(lines: impl Iterator<Item = &'a str>, place: &str) -> Result<Vec<Key>, CipherError> {
    let keys = lines.map(str::trim).filter(|line| !line.is_empty()).enumerate().map(|(index, line)| {
        let bytes = BASE64.decode(line).ok().and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| {
            CipherError::Keys(format!(
                "key {} of {place} is none: a key is {KEY_BYTES} random bytes in base64, as `openssl rand -base64 32` \
                 makes them",
                index + 1
            ))
        })?;
        let hash = digest::digest(&digest::SHA256, &bytes);
        let id = hash.as_ref().iter().take(ID_BYTES).fold(String::new(), |mut id, byte| {
            // Writing to a text cannot fail.
            let _infallible = FmtWrite::write_fmt(&mut id, format_args!("{byte:02x}"));
            id
        });
        Ok(Key { id, bytes })
    });
    keys.collect()
}

fn new_line() -> Result<String, CipherError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| no_randomness())?;
    Ok(BASE64.encode(bytes))
}

/// Puts keys before those of the file, one process at a time, and returns all. The file is whole at every moment.
fn change(
    path: &Path,
    added: impl FnOnce(&[Key]) -> Vec<Result<String, CipherError>>,
) -> Result<Vec<Key>, CipherError> {
    let broken = |error: io::Error| unusable(path, &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(broken)?;
    let lock = private(&path.with_extension("lock")).map_err(broken)?;
    lock.lock().map_err(broken)?;
    let before = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(broken)?,
    };
    let place = path.display().to_string();
    let mut text = String::new();
    for line in added(&parse(before.lines(), &place)?) {
        text.push_str(&line?);
        text.push('\n');
    }
    text.push_str(&before);
    let fresh = path.with_extension("new");
    let mut file = private(&fresh).map_err(broken)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(broken)?;
    fs::rename(&fresh, path).and_then(|()| File::open(folder)?.sync_all()).map_err(broken)?;
    parse(text.lines(), &place)
}

/// An empty file that nobody else may read.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn read(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        return Err(io::Error::other("others may read it: `chmod 600` it, and rotate the key if they should not have"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn unusable(path: &Path, error: &io::Error) -> CipherError {
    CipherError::Keys(format!("the keys of the secrets in {} cannot be used: {error}", path.display()))
}

fn no_randomness() -> CipherError {
    CipherError::Keys("the system has no randomness for a key".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("turbocat-keys-{}-{name}", std::process::id())))
        }

        fn ring(&self) -> KeyRing {
            KeyRing::new(KeySource::File(self.0.join("data/secrets.key")))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _as_well_as_it_can = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_value_is_opened_by_its_key_and_binding_alone() {
        let folder = Folder::new("open");
        let ring = folder.ring();
        let sealed = ring.seal("owner/NAME", "s3cret-välue").unwrap();

        assert_eq!(ring.open("owner/NAME", &sealed).unwrap(), "s3cret-välue");
        assert!(matches!(ring.open("other/NAME", &sealed), Err(CipherError::Forged)));
        for index in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[index] ^= 1;
            let forged = Sealed { bytes, ..sealed.clone() };
            assert!(matches!(ring.open("owner/NAME", &forged), Err(CipherError::Forged)), "byte {index}");
        }
        let short = Sealed { bytes: vec![1; 5], ..sealed.clone() };
        assert!(matches!(ring.open("owner/NAME", &short), Err(CipherError::Forged)));
        assert_ne!(ring.seal("owner/NAME", "s3cret-välue").unwrap(), sealed, "no two are sealed alike");
        assert!(!sealed.bytes.windows(6).any(|part| part == b"s3cret"));
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone_and_a_rotation_keeps_the_keys_before() {
        let folder = Folder::new("rotate");
        assert_eq!(folder.ring().count().unwrap(), 0, "a look makes no key");
        assert!(!folder.0.exists());
        let rings: Vec<_> = (0..8).map(|_| folder.ring()).collect();
        let ids: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = rings.iter().map(|ring| scope.spawn(|| ring.current().unwrap())).collect();
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let path = folder.0.join("data/secrets.key");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        let (first, second) = (folder.ring(), folder.ring());
        let old = first.seal("b", "the-value").unwrap();
        let id = second.rotate().unwrap();
        assert_ne!(id, old.key_id);
        assert_eq!(first.count().unwrap(), 2);
        assert_eq!(first.current().unwrap(), id, "another process sees it");
        assert_eq!(first.open("b", &old).unwrap(), "the-value");
        assert_eq!(first.seal("b", "the-value").unwrap().key_id, id);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(first.current().unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn given_keys_are_used_in_their_order_and_never_repeated() {
        let key = |byte| BASE64.encode([byte; KEY_BYTES]);
        let old = KeyRing::new(KeySource::Given(key(1)));
        let sealed = old.seal("b", "the-value").unwrap();
        let new = KeyRing::new(KeySource::Given(format!("{}, {}", key(2), key(1))));

        assert_eq!(new.open("b", &sealed).unwrap(), "the-value");
        assert_ne!(new.current().unwrap(), sealed.key_id);
        assert_eq!(new.rotate().unwrap(), new.current().unwrap());
        let without = KeyRing::new(KeySource::Given(key(2)));
        assert!(matches!(without.open("b", &sealed), Err(CipherError::UnknownKey(_))));
        let wrong = KeyRing::new(KeySource::Given(format!("{},c2hvcnQ=", key(1)))).current().unwrap_err().to_string();
        assert!(wrong.contains("key 2") && !wrong.contains("c2hvcnQ"), "{wrong}");
    }
}
