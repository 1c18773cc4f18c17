//! The guests that the tests run, as `cargo xtask guests` builds them.

use std::path::PathBuf;

/// The workspace's target directory.
#[must_use]
pub fn target() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"))
}

/// A component by name, as an image: `counter-v2` is `counter` with another digit in its version.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn image(name: &str) -> host::ImageSource {
    let (file, version) = name.split_once("-v").unwrap_or((name, "1"));
    let path = target().join("guests/components").join(format!("{file}.wasm"));
    let mut bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display()));
    if version != "1" {
        let text = format!("{file} version ").into_bytes();
        let at = bytes.windows(text.len()).position(|here| here == text).expect("it has a version");
        bytes[at + text.len()] = version.as_bytes()[0];
    }
    host::ImageSource {
        name: name.to_owned(),
        description: format!("{name}, for tests"),
        bytes: bytes.into(),
    }
}
