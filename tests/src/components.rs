//! The guests that the tests run, as `cargo xtask guests` builds them.

use std::path::PathBuf;

/// The workspace's target directory.
#[must_use]
pub fn target() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"))
}

/// A component by name, as an image.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn image(name: &str) -> host::ImageSource {
    let path = target().join("guests/components").join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests` first", path.display()));
    host::ImageSource {
        name: name.to_owned(),
        description: format!("{name}, for tests"),
        bytes: bytes.into(),
    }
}
