//! What CI checks before it runs tests.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{layering, progress, tidy, workspace::Workspace};

/// What to do about a file that is not formatted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fmt {
    /// Say so.
    Check,
    /// Format it.
    Write,
}

/// A check's name, and the check.
type Check<'a> = (&'static str, &'a dyn Fn() -> Result<()>);

/// Runs every check, quick ones first, and names all that failed.
pub(crate) fn all(ws: &Workspace) -> Result<()> {
    run(&[
        ("fmt", &|| fmt(ws, Fmt::Check)),
        ("tidy", &|| tidy::check(ws)),
        ("layering", &|| layering::check(ws)),
        ("deny", &|| deny(ws)),
        ("clippy", &|| clippy(ws)),
        ("doc", &|| doc(ws)),
    ])
}

/// Runs the checks that compile nothing.
pub(crate) fn quick(ws: &Workspace) -> Result<()> {
    run(&[
        ("fmt", &|| fmt(ws, Fmt::Check)),
        ("tidy", &|| tidy::check(ws)),
        ("layering", &|| layering::check(ws)),
    ])
}

fn run(checks: &[Check<'_>]) -> Result<()> {
    let begun = Instant::now();
    let mut failed = Vec::new();
    for (name, check) in checks {
        if let Err(error) = check() {
            eprintln!("{error:#}");
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        eprintln!("✓ every check passed ({} s)", begun.elapsed().as_secs());
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

/// rustfmt.
pub(crate) fn fmt(ws: &Workspace, what: Fmt) -> Result<()> {
    let mut fmt = ws.cargo(&["fmt", "--all"]);
    if what == Fmt::Check {
        fmt.args(["--", "--check"]);
    }
    progress::run(ws, "fmt", &mut fmt)
}

fn clippy(ws: &Workspace) -> Result<()> {
    let mut clippy = ws.cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    progress::run(ws, "clippy", &mut clippy)
}

fn doc(ws: &Workspace) -> Result<()> {
    let mut doc = ws.cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    // Crate documentation links to private modules on purpose: it is for who works on them.
    doc.env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links");
    progress::run(ws, "doc", &mut doc)
}

/// cargo-deny, when it is installed.
pub(crate) fn deny(ws: &Workspace) -> Result<()> {
    if !ws.has_cargo("deny") {
        eprintln!("· deny: left out, cargo-deny is not installed (cargo install cargo-deny --locked)");
        return Ok(());
    }
    progress::run(ws, "deny", &mut ws.cargo(&["deny", "--workspace", "check"]))
}
