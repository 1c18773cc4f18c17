//! Embeds the agents that `claw up` offers: writes a table of the built components for
//! `src/components.rs` to include.
//!
//! Without them the table is empty and `claw up` says how to build them, so that the host side never
//! needs a compiler for WebAssembly.

use std::{env, fs, io, path::PathBuf};

/// Name, description and file of each.
const AGENTS: [(&str, &str); 2] = [
    ("shell", "A shell with the usual utilities, over its own workspace"),
    ("hello", "The agent in 20 lines: says hello and echoes what is typed"),
];

fn main() -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "Cargo tells a build script where to work by environment")]
    let var = |name: &str| env::var(name).map_err(io::Error::other);
    let out = PathBuf::from(var("OUT_DIR")?);
    let components = match var("CLAW_COMPONENTS") {
        Ok(dir) => PathBuf::from(dir),
        Err(_) => PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("../target/guests/components"),
    };
    println!("cargo:rerun-if-env-changed=CLAW_COMPONENTS");
    println!("cargo:rerun-if-changed=build.rs");

    let mut table = String::from("&[\n");
    for (name, description) in AGENTS {
        let file = components.join(name).with_extension("wasm");
        // Watched even where it is absent: this script then runs at every build until it is there.
        println!("cargo:rerun-if-changed={}", file.display());
        if let Ok(file) = file.canonicalize() {
            let file = file.to_string_lossy();
            table.push_str(&format!("    ({name:?}, {description:?}, include_bytes!({file:?})),\n"));
        }
    }
    table.push_str("]\n");
    fs::write(out.join("components.rs"), table)
}
