//! The third way to a compiler for guests: Debian's own Rust, which has the target, unpacked beside the
//! machine's and touching nothing of it. Every version but the linker's is read from the packages'
//! metadata.
//!
//! The packages are of a newer suite than the machine, so their programs run under the C library that
//! comes with them: a small script calls its loader. The linker that makes a component of a module is no
//! Debian package; cargo builds it with the machine's own compiler meanwhile.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{TARGET, Toolchain, apt::Apt, version};
use crate::{
    progress::{self, Step},
    workspace::{Workspace, lock},
};

/// Debian's testing suite, and the one that is always ahead of it.
const SUITES: [&str; 2] = ["forky", "sid"];
/// The linker of the target; a newer one may want a newer compiler than ours.
const LINKER: &str = "wasm-component-ld@0.5.31";
/// Begins the name of every toolchain made by this recipe; raise the number when the recipe changes.
const PREFIX: &str = "wasm-toolchain-1-";

/// One that was made before.
pub(super) fn find(cache: &Path) -> Option<Toolchain> {
    let entries = fs::read_dir(cache).ok()?;
    let mut made: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    made.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)));
    made.sort();
    made.into_iter().rev().find_map(|prefix| open(&prefix))
}

fn open(prefix: &Path) -> Option<Toolchain> {
    let rustc = prefix.join("bin/rustc");
    let version = fs::read_to_string(prefix.join("version")).ok()?;
    rustc.is_file().then(|| Toolchain { rustc: Some(rustc), bin: Some(prefix.join("bin")), version })
}

/// One that was made before, or a new one.
pub(super) fn find_or_make(ws: &Workspace, cache: &Path) -> Result<Toolchain> {
    let _lock =
        lock(&cache.join("wasm-toolchain.lock"), || eprintln!("· another build is making the toolchain …"))?;
    if let Some(toolchain) = find(cache) {
        return Ok(toolchain);
    }
    let work = cache.join("wasm-toolchain.part");
    remove(&work)?;
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let mut step = Step::begin(format!("{TARGET} from Debian"));
    let made = make(ws, &mut step, cache, &work);
    match &made {
        Ok(_) => step.done(""),
        Err(_) => step.failed(),
    }
    remove(&work)?;
    made
}

fn make(ws: &Workspace, step: &mut Step, cache: &Path, work: &Path) -> Result<Toolchain> {
    let apt = Apt::open(ws, step, &work.join("apt"), &SUITES)?;
    let one = |package: &str, relation: &str, start: &str| -> Result<String> {
        let names = apt.related(package, relation)?;
        let name = names.into_iter().find(|name| name.starts_with(start));
        name.with_context(|| format!("{package} no longer names a package {start}* as {relation}"))
    };
    let std = one("libstd-rust-dev", "Depends", "libstd-rust-")?;
    let lld = one("libstd-rust-dev-wasm32", "Recommends", "lld-")?;
    // The compiler's own dependencies include a C compiler, which the machine has.
    let mut packages = apt.closure(&[&std, &lld])?;
    packages.retain(|name| !name.starts_with("gcc-") && !name.contains("gconv"));
    packages.extend(["rustc", "libstd-rust-dev", "libstd-rust-dev-wasm32", "wasi-libc"].map(str::to_owned));

    let prefix = work.join("prefix");
    fs::create_dir_all(prefix.join("bin"))?;
    apt.unpack(ws, step, &packages, &prefix)?;
    remove(&prefix.join("usr/share"))?;
    if !prefix.join("usr/lib/rustlib").join(TARGET).is_dir() {
        bail!("Debian's libstd-rust-dev-wasm32 {} has no {TARGET}", apt.version("libstd-rust-dev-wasm32")?);
    }
    linker(ws, step, &work.join("linker"), &prefix)?;

    let name = format!("{PREFIX}{}", apt.version("rustc")?.replace(['/', ' '], "-"));
    let home = cache.join(name);
    scripts(&prefix, &home)?;
    // The scripts name the final place, so the toolchain is tried there, and counts once `version` exists.
    remove(&home)?;
    fs::rename(&prefix, &home).with_context(|| format!("cannot create {}", home.display()))?;
    let version = version(ws, &home.join("bin/rustc"))?;
    fs::write(home.join("version"), format!("{version} from Debian, in {}", home.display()))?;
    open(&home).context("the unpacked toolchain is not complete")
}

fn linker(ws: &Workspace, step: &mut Step, work: &Path, prefix: &Path) -> Result<()> {
    let mut install = ws.cargo(&["install", "--locked", LINKER, "--root"]);
    install.arg(work.join("root")).arg("--target-dir").arg(work.join("target"));
    // It runs once for each guest: a quick build matters more than a quick linker.
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    let outcome = progress::watch(ws, step, &mut install, None)?;
    if !outcome.ok {
        bail!("cargo install {LINKER}: {}", outcome.text(6));
    }
    fs::rename(work.join("root/bin/wasm-component-ld"), prefix.join("bin/wasm-component-ld"))?;
    Ok(())
}

/// Scripts that run the compiler and the linker under the C library that came with them.
fn scripts(prefix: &Path, home: &Path) -> Result<()> {
    let (triplet, loader) = loader(prefix)?;
    let llvm = fs::read_dir(prefix.join("usr/lib"))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| name.starts_with("llvm-"))
        .context("no lld was unpacked")?;
    let lld = format!("usr/lib/{llvm}/bin/lld");
    for (name, program) in [("rustc", "usr/bin/rustc"), ("wasm-ld", &lld), ("rust-lld", &lld)] {
        let script = format!(
            "#!/bin/sh\nd={home:?}\nexec \"$d/usr/lib/{triplet}/{loader}\" \
             --library-path \"$d/usr/lib/{triplet}:$d/usr/lib/{llvm}/lib\" --argv0 {name} \"$d/{program}\" \"$@\"\n"
        );
        let path = prefix.join("bin").join(name);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Debian's name of this architecture, and the file name of its loader.
fn loader(prefix: &Path) -> Result<(String, String)> {
    for dir in fs::read_dir(prefix.join("usr/lib"))?.flatten() {
        let triplet = dir.file_name().to_string_lossy().into_owned();
        if !triplet.ends_with("-linux-gnu") {
            continue;
        }
        for file in fs::read_dir(dir.path())?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("ld-linux") || name.starts_with("ld64.so") {
                return Ok((triplet, name));
            }
        }
    }
    bail!("no C library was unpacked")
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", dir.display())),
    }
}
