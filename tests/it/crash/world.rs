//! What is killed: a cloud of this process, or the real program.

use std::path::Path;

use cloud_tests::{
    Client, Cloud,
    cloud::Setup,
    components,
    process::{Server, command, lonely_address, prepare, run},
};
use rand::{Rng as _, rngs::StdRng};
use tempfile::TempDir;

/// Agents are put on its second host as soon as there is one.
const SECOND: usize = 0;

/// A cloud that survives the deaths of its parts at the same address.
pub(super) enum World {
    /// One host, all in this process.
    One(Cloud),
    /// Two hosts.
    Two(Cloud),
    /// `claw up`.
    Up(Process),
    /// `claw api` and two of `claw host`.
    Fleet(Fleet),
}

fn setup() -> Setup {
    Setup { images: vec!["machine", "hostile"], apart: true, ..Setup::default() }
}

impl World {
    pub(super) async fn one() -> Self {
        Self::One(Cloud::with(setup()).await)
    }

    pub(super) async fn two() -> Self {
        let mut cloud = Cloud::with(setup()).await;
        cloud.add_host().await;
        Self::Two(cloud)
    }

    pub(super) async fn up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(&dir.path().join("host"));
        let data = dir.path().to_str().unwrap().to_owned();
        let args = ["up", "--no-demo", "--data", &data, "--image", &machine()].map(str::to_owned);
        let process = Process::start(dir.path(), args.into(), true).await;
        Self::Up(Process { _dir: Some(dir), ..process })
    }

    pub(super) async fn fleet() -> Self {
        Self::Fleet(Fleet::start().await)
    }

    pub(super) fn client(&self) -> Client {
        match self {
            Self::One(cloud) | Self::Two(cloud) => (**cloud).clone(),
            Self::Up(process) => process.client(),
            Self::Fleet(fleet) => fleet.api.client(),
        }
    }

    /// Kills some of it at once, and starts that again.
    pub(super) async fn kill(&mut self, random: &mut StdRng) {
        match self {
            Self::One(cloud) => match random.random_range(0..4) {
                0 => cloud.kill(true, false, &[]).await,
                1 => cloud.kill(false, true, &[]).await,
                _ => cloud.kill(true, true, &[]).await,
            },
            Self::Two(cloud) => match random.random_range(0..8) {
                0 => cloud.kill(true, false, &[]).await,
                1 | 2 => cloud.kill(false, true, &[]).await,
                3 => cloud.kill(false, false, &[SECOND]).await,
                4 => cloud.kill(true, false, &[SECOND]).await,
                5 => {
                    // Planned, and then the host that its agents went to is lost.
                    cloud.stop_more(SECOND).await;
                    cloud.kill(false, true, &[]).await;
                    cloud.start_more(SECOND).await;
                }
                _ => cloud.kill(true, true, &[SECOND]).await,
            },
            Self::Up(process) => process.kill().await,
            Self::Fleet(fleet) => fleet.kill(random).await,
        }
    }

    /// Kills all of it at once, and starts it again.
    pub(super) async fn kill_all(&mut self) {
        match self {
            Self::One(cloud) => cloud.kill(true, true, &[]).await,
            Self::Two(cloud) => cloud.kill(true, true, &[SECOND]).await,
            Self::Up(process) => process.kill().await,
            Self::Fleet(fleet) => fleet.kill_all().await,
        }
    }
}

fn machine() -> String {
    let file = components::target().join("guests/components/machine.wasm");
    format!("machine={}", file.display())
}

/// A server, and how it was started.
pub(super) struct Process {
    args: Vec<String>,
    home: std::path::PathBuf,
    server: Option<Server>,
    /// Goes with it, where it is its own.
    _dir: Option<TempDir>,
}

impl Process {
    /// One that serves clients comes back at its address.
    async fn start(home: &Path, args: Vec<String>, serves: bool) -> Self {
        let mut process = Self { args, home: home.to_owned(), server: None, _dir: None };
        process.args.push("--json".to_owned());
        let address = if serves { lonely_address().to_string() } else { "127.0.0.1:0".to_owned() };
        process.args.extend(["--listen".to_owned(), address]);
        process.begin().await;
        if serves {
            let url = process.client().url;
            *process.args.last_mut().unwrap() = url.trim_start_matches("http://").to_owned();
        }
        process
    }

    async fn begin(&mut self) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.server = Some(Server::start(command(&self.home, &args)).await);
    }

    fn client(&self) -> Client {
        self.server.as_ref().unwrap().client.clone()
    }

    async fn end(&mut self) {
        self.server.take().unwrap().kill().await;
    }

    async fn kill(&mut self) {
        self.end().await;
        self.begin().await;
    }
}

/// See [`World::Fleet`].
pub(super) struct Fleet {
    api: Process,
    hosts: Vec<Process>,
    _home: TempDir,
}

impl Fleet {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let mut credentials = Vec::new();
        for name in ["host-1", "host-2"] {
            prepare(&home.path().join(name));
            let args = ["host-credential", "--data", &at("api"), "--host-data", &at(name)];
            let credential = run(command(home.path(), &args)).await;
            assert_eq!(credential.code, 0, "{credential:?}");
            let file = at(&format!("{name}.credential"));
            std::fs::write(&file, &credential.stdout).unwrap();
            credentials.push((at(name), file));
        }
        let args = ["api", "--data", &at("api")].map(str::to_owned);
        let api = Process::start(home.path(), args.into(), true).await;
        let (url, store) = (api.client().url, format!("file://{}", at("api/depot")));
        let mut hosts = Vec::new();
        for (data, credential) in credentials {
            let args = ["host", "--api", &url, "--store", &store, "--data", &data, "--image", &machine()];
            let mut args: Vec<String> = args.map(str::to_owned).into();
            args.extend(["--credential-file".to_owned(), credential]);
            hosts.push(Process::start(home.path(), args, false).await);
        }
        Self { api, hosts, _home: home }
    }

    async fn kill(&mut self, random: &mut StdRng) {
        match random.random_range(0..4) {
            0 => self.api.kill().await,
            host @ 1..3 => self.hosts[host - 1].kill().await,
            _ => self.kill_all().await,
        }
    }

    async fn kill_all(&mut self) {
        self.api.end().await;
        for host in &mut self.hosts {
            host.end().await;
        }
        self.api.begin().await;
        for host in &mut self.hosts {
            host.begin().await;
        }
    }
}
