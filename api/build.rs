//! Embeds the web console: writes a table of every file below `web/dist` for `src/web.rs` to include.
//!
//! Without a built console the table is empty and the server says how to build it, so that the Rust
//! side never needs Node.js to compile.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "Cargo tells a build script where to work by environment")]
    let (manifest, out) = (env::var("CARGO_MANIFEST_DIR"), env::var("OUT_DIR"));
    let manifest = PathBuf::from(manifest.map_err(io::Error::other)?);
    let out = PathBuf::from(out.map_err(io::Error::other)?);
    let dist = manifest.join("web/dist");

    println!("cargo:rerun-if-changed=build.rs");
    // A watched path that does not exist would run this script at every build.
    let watched = if dist.is_dir() { "web/dist" } else { "web" };
    if manifest.join(watched).is_dir() {
        println!("cargo:rerun-if-changed={watched}");
    }

    let mut files = Vec::new();
    if dist.is_dir() {
        collect(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&dist).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        let path = file.to_string_lossy();
        table.push_str(&format!("    ({name:?}, include_bytes!({path:?})),\n"));
    }
    table.push_str("]\n");
    fs::write(out.join("console.rs"), table)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
