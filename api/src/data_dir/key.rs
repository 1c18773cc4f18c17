//! Key files: 32 random bytes, made once.

use std::{
    fs::{DirBuilder, File},
    io::{self, ErrorKind, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use super::{DataDirError, write_new};

pub(super) fn read_or_make(directory: &Path, name: &str) -> Result<[u8; 32], DataDirError> {
    let path = directory.join(name);
    let at = |source| DataDirError::io(&path, source);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at)?;
    let bytes = match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            write_new(directory, name, &rand::random::<[u8; 32]>()).map_err(at)?;
            // Read back, so that what is used is what the next start will use.
            read(&path)
        }
        other => other,
    };
    let bytes = bytes.map_err(at)?;
    bytes.try_into().map_err(|_| DataDirError::Corrupt { path, what: "a key must be 32 bytes long" })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(33);
    File::open(path)?.take(33).read_to_end(&mut bytes)?;
    Ok(bytes)
}
