//! apt with its own lists and caches: it reads packages of another suite than the machine's, needs no
//! root, and changes nothing of the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    progress::{self, Step},
    workspace::Workspace,
};

const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// A suite of the machine's Debian mirror, with its lists read.
pub(super) struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Reads the lists of the first of `suites` the mirror has, below `dir`.
    pub(super) fn open(ws: &Workspace, step: &mut Step, dir: &Path, suites: &[&str]) -> Result<Self> {
        if ws.which(&["apt-get"]).is_none() || ws.which(&["dpkg-deb"]).is_none() {
            bail!("this is not a Debian machine: no apt-get or dpkg-deb");
        }
        let mirror = mirror()?;
        let keyring = KEYRINGS.into_iter().find(|path| Path::new(path).is_file());
        let keyring = keyring.context("no debian-archive-keyring on this machine")?;
        for sub in ["lists/partial", "cache/archives/partial", "debs"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let apt = Self { dir: dir.to_owned() };
        let mut said = String::new();
        for suite in suites {
            step.tick(&format!("reading {suite} of {mirror}"));
            let line = format!("deb [signed-by={keyring}] {mirror} {suite} main\n");
            fs::write(dir.join("sources.list"), line)?;
            // Without this option an unreachable suite is only a warning.
            let mut update = apt.command("apt-get");
            update.args(["update", "-o", "APT::Update::Error-Mode=any"]);
            let outcome = progress::watch(ws, step, &mut update, None)?;
            if outcome.ok {
                return Ok(apt);
            }
            said = outcome.text(4);
        }
        bail!("{mirror} has none of {}: {said}", suites.join(", "))
    }

    /// Names after `relation` (such as `Depends`) of a package, real ones only.
    pub(super) fn related(&self, package: &str, relation: &str) -> Result<Vec<String>> {
        let text = self.output(&["depends", package])?;
        let prefix = format!("{relation}: ");
        let names = text.lines().filter_map(|line| line.trim().trim_start_matches('|').strip_prefix(&prefix));
        Ok(names.filter(|name| !name.starts_with('<')).map(str::to_owned).collect())
    }

    /// `packages` and everything they depend on.
    pub(super) fn closure(&self, packages: &[&str]) -> Result<Vec<String>> {
        let mut args = vec!["depends", "--recurse"];
        args.extend([
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
            "--no-enhances",
        ]);
        args.extend(packages);
        let text = self.output(&args)?;
        let mut names: Vec<String> = text
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The version a package has in this suite.
    pub(super) fn version(&self, package: &str) -> Result<String> {
        let text = self.output(&["show", "--no-all-versions", package])?;
        let version = text.lines().find_map(|line| line.strip_prefix("Version: "));
        version.map(str::to_owned).with_context(|| format!("no version of {package}"))
    }

    /// Downloads packages and unpacks them below `prefix`.
    pub(super) fn unpack(
        &self,
        ws: &Workspace,
        step: &mut Step,
        packages: &[String],
        prefix: &Path,
    ) -> Result<()> {
        let debs = self.dir.join("debs");
        let mut download = self.command("apt-get");
        download.current_dir(&debs).arg("download").args(packages);
        let outcome = progress::watch(ws, step, &mut download, None)?;
        if !outcome.ok {
            bail!("apt-get download: {}", outcome.text(4));
        }
        for entry in fs::read_dir(&debs)? {
            let deb = entry?.path();
            step.tick(&format!("unpacking {}", deb.file_name().unwrap_or_default().to_string_lossy()));
            let output = Command::new("dpkg-deb")
                .arg("-x")
                .arg(&deb)
                .arg(prefix)
                .output()
                .context("cannot run dpkg-deb")?;
            if !output.status.success() {
                bail!("dpkg-deb -x: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
            fs::remove_file(&deb)?;
        }
        Ok(())
    }

    fn output(&self, args: &[&str]) -> Result<String> {
        let output = self.command("apt-cache").args(args).output().context("cannot run apt-cache")?;
        if !output.status.success() {
            bail!("apt-cache {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let dir = self.dir.display();
        for option in [
            format!("Dir::Etc::sourcelist={dir}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State={dir}"),
            format!("Dir::State::lists={dir}/lists"),
            "Dir::State::status=/dev/null".to_owned(),
            format!("Dir::Cache={dir}/cache"),
            // The user `_apt` may not write here.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Retries=3".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        // Output is read: names of relations must not be translated.
        command.env("LC_ALL", "C.UTF-8").env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

/// The Debian mirror of this machine's apt sources, both formats.
fn mirror() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.filter_map(|text| mirror_in(&text)).next().context("no Debian mirror in this machine's apt sources")
}

fn mirror_in(sources: &str) -> Option<String> {
    sources
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.contains("://") && word.ends_with("/debian"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn finds_the_mirror_in_both_formats() {
        let one_line = "# deb http://old.example/debian x main\ndeb [arch=amd64] https://a.example/debian/ trixie main\n";
        assert_eq!(mirror_in(one_line).as_deref(), Some("https://a.example/debian"));
        let deb822 =
            "Types: deb\n# http://snapshot.example/debian\nURIs: http://b.example/debian\nSuites: trixie\n";
        assert_eq!(mirror_in(deb822).as_deref(), Some("http://b.example/debian"));
        assert_eq!(mirror_in("Types: deb\nURIs: http://b.example/debian-security\n"), None);
    }
}
