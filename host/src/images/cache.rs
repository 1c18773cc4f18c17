//! Compiled artefacts on disk, each authenticated before it is loaded.
//!
//! Loading an artefact runs its machine code, so one that this host did not write must never be
//! loaded: each file carries an HMAC-SHA256 over its digest, the engine's settings and its bytes,
//! under a key that only this data directory holds. Files that do not check out are compiled anew.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use hmac::{Hmac, Mac as _};
use rand::RngCore as _;
use sha2::Sha256;
use wasmtime::{Engine, component::Component};
use wire::Digest;

use super::ImageError;

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
    /// Artefacts of other settings are other artefacts.
    settings: u64,
}

impl Cache {
    pub(super) fn open(dir: &Path, engine: &Engine) -> Result<Self, ImageError> {
        let failed = |source| ImageError::Cache { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let key = key(&dir.join("artefact.key")).map_err(failed)?;
        Ok(Self { dir: dir.to_owned(), key, settings: settings(engine) })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(format!("{}-{:016x}.cwasm", digest.hex(), self.settings))
    }

    fn mac(&self, digest: &Digest, artefact: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::unwrap_used, reason = "HMAC takes keys of any length")]
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&self.key).unwrap();
        mac.update(digest.as_str().as_bytes());
        mac.update(&self.settings.to_be_bytes());
        mac.update(artefact);
        mac
    }

    /// The component, if its artefact is here and checks out.
    #[expect(unsafe_code, reason = "artefacts are machine code; see SAFETY")]
    pub(super) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(digest);
        let artefact = fs::read(&path).ok()?;
        let mac = fs::read(path.with_extension("mac")).ok()?;
        if self.mac(digest, &artefact).verify_slice(&mac).is_err() {
            tracing::warn!(path = %path.display(), "compiled image does not check out; compiling it anew");
            return None;
        }
        // SAFETY: the file was written by `store` with this very engine's settings: its HMAC, under a key that
        // is readable by this user alone, was just verified. The directory is 0700, so nobody else can have
        // replaced the file since; whoever can act as this user could as well replace the host's own binary.
        // Mapped from the file, its code pages are shared by every process that loads it.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled image cannot be loaded; compiling it anew");
                None
            }
        }
    }

    /// Writes an artefact, whole or not at all.
    pub(super) fn store(&self, digest: &Digest, artefact: &[u8]) -> Result<(), ImageError> {
        let path = self.path(digest);
        let mac = self.mac(digest, artefact).finalize().into_bytes();
        debug_assert_eq!(mac.len(), MAC_BYTES);
        write_whole(&path, artefact)
            .and_then(|()| write_whole(&path.with_extension("mac"), &mac))
            .map_err(|source| ImageError::Cache { path, source })
    }
}

fn settings(engine: &Engine) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    // Not for security (the HMAC is): it only keeps artefacts of different settings apart.
    #[allow(deprecated, reason = "SipHasher has fixed keys, so names are the same in every process")]
    let mut hasher = std::hash::SipHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unique = format!("tmp-{}-{}", std::process::id(), rand::rng().next_u64());
    let temporary = path.with_extension(unique);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: the write's own error is what counts.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The key, made on first use.
fn key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if !path.exists() {
        let mut fresh = [0; KEY_BYTES];
        rand::rng().fill_bytes(&mut fresh);
        write_whole(path, &fresh)?;
    }
    let bytes = fs::read(path)?;
    bytes.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "artefact.key is not 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artefact_that_was_changed_is_not_loaded() {
        let (engine, _) = crate::engine::engine(16).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), &engine).unwrap();
        // The smallest component there is: a header and nothing else.
        let wasm = b"\0asm\x0d\0\x01\0";
        let digest = Digest::from_bytes([7; 32]);
        cache.store(&digest, &engine.precompile_component(wasm).unwrap()).unwrap();
        assert!(cache.load(&engine, &digest).is_some());
        assert!(cache.load(&engine, &Digest::from_bytes([8; 32])).is_none());
        let path = cache.path(&digest);
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(cache.load(&engine, &digest).is_none());
    }

    #[test]
    fn another_key_refuses_the_artefact() {
        let (engine, _) = crate::engine::engine(16).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), &engine).unwrap();
        let digest = Digest::from_bytes([7; 32]);
        cache.store(&digest, &engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap()).unwrap();
        fs::write(dir.path().join("artefact.key"), [9; KEY_BYTES]).unwrap();
        let other = Cache::open(dir.path(), &engine).unwrap();
        assert!(other.load(&engine, &digest).is_none());
    }
}
