//! What other languages' agents are made with, from Python's package index: pinned by a `requirements.txt`
//! beside each agent, installed below `target/`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::target;
use crate::{progress, stamp::Stamp, toolchain, workspace::Workspace};

/// The oldest Python that the tools run on.
const PYTHON: (u32, u32) = (3, 10);

/// Python 3, as a command without arguments.
pub(super) fn python(ws: &Workspace) -> Result<Command> {
    const HOW: &str = "install it from python.org, or your distribution's packages python3 and python3-pip";
    let (major, minor) = PYTHON;
    let wanted = format!("Python {major}.{minor} or newer is needed");
    let python = ws.which(&["python3"]).with_context(|| format!("{wanted}, and none is in PATH: {HOW}"))?;
    let output = ws.command(&python).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", python.display()))?;
    let found = String::from_utf8_lossy(&output.stdout);
    if version(&found).is_none_or(|found| found < PYTHON) {
        bail!("{wanted}, and {} is {:?}: {HOW}", python.display(), found.trim());
    }
    Ok(ws.command(python))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("Python ")?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Installs what the `requirements.txt` in `dir` asks for, unless `file` is already there because of it.
/// Answers with the directory it is in, which is no environment: pip's `--target` needs no package but pip.
pub(super) fn pip(ws: &Workspace, dir: &str, file: &str) -> Result<PathBuf> {
    let requirements = format!("{dir}/requirements.txt");
    let name = format!("pip-{}", dir.replace('/', "-"));
    let into = target(ws).join("tools").join(&name);
    let stamp = Stamp::new(ws, &name, &[&requirements], "", vec![into.join(file)])?;
    if stamp.is_fresh() {
        return Ok(into);
    }
    remove(&into)?;
    let mut pip = python(ws)?;
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--disable-pip-version-check", "--root-user-action", "ignore", "--target"]);
    pip.arg(&into).arg("--requirement").arg(ws.root.join(&requirements));
    progress::run(ws, &format!("Python packages of {dir}"), &mut pip)?;
    stamp.write().with_context(|| format!("{requirements} did not bring {file}"))?;
    Ok(into)
}

/// A C compiler for guests.
pub(super) struct CCompiler {
    bin: PathBuf,
}

impl CCompiler {
    /// Makes build scripts of a cargo command use it.
    pub(super) fn apply(&self, command: &mut Command) {
        let target = toolchain::TARGET.replace('-', "_");
        for (variable, program) in [("CC", "cc"), ("AR", "ar")] {
            command.env(format!("{variable}_{target}"), self.bin.join(program));
        }
    }
}

/// Zig, as the C compiler that brings the C library's headers with it. Only its objects are used: what they
/// are linked with is the library of Rust's target.
pub(super) fn c_compiler(ws: &Workspace, dir: &str) -> Result<CCompiler> {
    let installed = pip(ws, dir, "ziglang/zig")?;
    let zig = installed.join("ziglang/zig");
    let bin = target(ws).join("tools/zig-bin");
    let cache = target(ws).join("tools/zig-cache");
    fs::create_dir_all(&bin)?;
    // Build scripts name Rust's target, which Zig does not know.
    let cc = "for a; do shift; case $a in --target=*) ;; *) set -- \"$@\" \"$a\" ;; esac; done\n";
    // Without its checks for undefined behaviour: they call a library of its own.
    script(&bin.join("cc"), &cache, cc, &zig, "cc -target wasm32-wasi -fno-sanitize=all")?;
    script(&bin.join("ar"), &cache, "", &zig, "ar")?;
    Ok(CCompiler { bin })
}

fn script(path: &Path, cache: &Path, before: &str, zig: &Path, args: &str) -> Result<()> {
    let text = format!(
        "#!/bin/sh\nexport ZIG_GLOBAL_CACHE_DIR={cache:?} ZIG_LOCAL_CACHE_DIR={cache:?}\n{before}exec {zig:?} {args} \"$@\"\n"
    );
    // Unchanged ones are left alone: cargo may be running them for another build.
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Removes a directory that may be absent.
pub(super) fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{PYTHON, version};

    #[test]
    fn versions_of_python() {
        assert_eq!(version("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(version("Python 2.7.18"), Some((2, 7)));
        assert_eq!(version("3.11.7"), None);
        assert_eq!(version(""), None);
        assert!((2, 7) < PYTHON && PYTHON < (3, 11));
    }
}
