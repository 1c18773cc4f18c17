//! Where the cloud is and with which token, from the places `claw --help` lists, in their order.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{Surroundings, cli::Global, failure::Failure};

/// In a data directory: the address `claw up` serves on, for as long as it does.
pub(crate) const URL_FILE: &str = "url";
/// In a data directory: the first token.
pub(crate) const TOKEN_FILE: &str = "token";

/// A cloud and a token for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without a slash at its end.
    pub(crate) url: String,
    /// The token.
    pub(crate) token: String,
}

/// `config.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    url: String,
    token_file: PathBuf,
}

/// Finds the cloud.
pub(crate) fn find(global: &Global, around: &Surroundings) -> Result<Target, Failure> {
    let token = match (&global.token, &global.token_file) {
        (_, Some(file)) => Some(read(file)?),
        (Some(token), None) => Some(token.trim().to_owned()),
        (None, None) => None,
    };
    let with = |target: Target| Target { token: token.clone().unwrap_or(target.token), ..target };
    if let Some(url) = &global.url {
        let url = trimmed(url);
        let token = token.or_else(|| local(around).filter(|local| local.url == url).map(|local| local.token));
        return token.map(|token| Target { url: url.clone(), token }).ok_or(Failure::NoToken(url));
    }
    let config = config(global, around)?;
    if let Some(name) = &global.profile {
        let known = || config.profiles.keys().cloned().collect::<Vec<_>>().join(", ");
        let profile = config.profiles.get(name);
        let profile =
            profile.ok_or_else(|| Failure::Usage(format!("no profile {name}; there are: {}", known())))?;
        return profile.target().map(with);
    }
    if let Some(target) = local(around) {
        return Ok(with(target));
    }
    if let Some(profile) = config.profiles.get("default") {
        return profile.target().map(with);
    }
    around.data.as_deref().and_then(in_data).map(with).ok_or(Failure::NoCloud)
}

/// The cloud of `.claw` here or in a directory above.
fn local(around: &Surroundings) -> Option<Target> {
    around.here.ancestors().find_map(|dir| in_data(&dir.join(".claw")))
}

fn in_data(data: &Path) -> Option<Target> {
    let url = read(&data.join(URL_FILE)).ok()?;
    let token = read(&data.join(TOKEN_FILE)).ok()?;
    Some(Target { url: trimmed(&url), token })
}

fn config(global: &Global, around: &Surroundings) -> Result<Config, Failure> {
    let path = match (&global.config_file, &around.config) {
        (Some(path), _) => path.clone(),
        (None, Some(dir)) => dir.join("config.toml"),
        (None, None) => return Ok(Config::default()),
    };
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|e| Failure::Usage(format!("{}: {e}", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound && global.config_file.is_none() => {
            Ok(Config::default())
        }
        Err(source) => Err(Failure::File { path, source }),
    }
}

impl Profile {
    fn target(&self) -> Result<Target, Failure> {
        Ok(Target { url: trimmed(&self.url), token: read(&self.token_file)? })
    }
}

/// A file's text without the white space around it.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).map_err(|source| Failure::File { path: path.to_owned(), source })?;
    Ok(text.trim().to_owned())
}

fn trimmed(url: &str) -> String {
    url.trim().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::Cli;

    struct Fixture {
        dir: tempfile::TempDir,
        around: Surroundings,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a/b", "config", "data"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let around = Surroundings { here: at("a/b"), config: Some(at("config")), data: Some(at("data")) };
        Fixture { dir, around }
    }

    impl Fixture {
        fn cloud(&self, at: &str, url: &str, token: &str) {
            let data = self.dir.path().join(at);
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join(URL_FILE), url).unwrap();
            fs::write(data.join(TOKEN_FILE), token).unwrap();
        }

        fn profile(&self, name: &str) {
            let token = self.dir.path().join("secret");
            fs::write(&token, "from-profile\n").unwrap();
            let text = format!("[profiles.{name}]\nurl = \"http://profile/\"\ntoken_file = {token:?}\n");
            fs::write(self.dir.path().join("config/config.toml"), text).unwrap();
        }

        fn find(&self, args: &[&str]) -> Result<(String, String), Failure> {
            // Whatever the environment of the tests says.
            let args = ["claw"].iter().chain(args).chain(&["ls"]);
            let mut global = Cli::parse_from(args).global;
            global.token = None;
            find(&global, &self.around).map(|target| (target.url, target.token))
        }
    }

    fn pair(url: &str, token: &str) -> (String, String) {
        (url.to_owned(), token.to_owned())
    }

    #[test]
    fn a_cloud_nearby_is_found_from_below_and_comes_before_the_default_profile() {
        let f = fixture();
        f.cloud("data", "http://data", "t0");
        assert_eq!(f.find(&[]).unwrap(), pair("http://data", "t0"));
        f.profile("default");
        assert_eq!(f.find(&[]).unwrap(), pair("http://profile", "from-profile"));
        f.cloud("a/.claw", "http://here/\n", "t1\n");
        assert_eq!(f.find(&[]).unwrap(), pair("http://here", "t1"));
        assert_eq!(f.find(&["--profile", "default"]).unwrap(), pair("http://profile", "from-profile"));
    }

    #[test]
    fn an_address_needs_a_token_unless_it_is_the_cloud_nearby() {
        let f = fixture();
        f.cloud("a/.claw", "http://here", "t1");
        assert_eq!(f.find(&["--url", "http://here/"]).unwrap(), pair("http://here", "t1"));
        assert_eq!(f.find(&["--url", "http://other"]).unwrap_err().exit_code(), 4);
    }

    #[test]
    fn no_cloud_and_unknown_profiles_are_said() {
        let f = fixture();
        assert_eq!(f.find(&[]).unwrap_err().exit_code(), 69);
        assert_eq!(f.find(&["--profile", "x"]).unwrap_err().exit_code(), 2);
        fs::write(f.dir.path().join("config/config.toml"), "[profile.x]\n").unwrap();
        assert_eq!(f.find(&[]).unwrap_err().exit_code(), 2);
    }
}
