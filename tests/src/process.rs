//! The real `claw` program, in processes of its own.
//!
//! Each finds nothing of the user that runs the tests: no configuration, no cloud nearby, no variables.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Command},
    task::JoinHandle,
};

use crate::{client::Client, components};

/// Longest wait for a start: a first one compiles what it offers.
const START: Duration = Duration::from_secs(90);
/// Longest wait for an end.
const END: Duration = Duration::from_secs(30);

/// What `cargo xtask test` found on this machine; without it, what is usual.
#[derive(Debug, Default, Deserialize)]
pub struct Tools {
    /// The `claw` program.
    pub claw: Option<PathBuf>,
    /// Chromium; absent where the browser tests are left out.
    pub chromium: Option<PathBuf>,
    /// Node.js; absent with it.
    pub node: Option<PathBuf>,
}

impl Tools {
    /// Reads `target/test-env.json`.
    ///
    /// # Panics
    /// When it is there and cannot be read.
    #[must_use]
    pub fn find() -> Self {
        match fs::read(components::target().join("test-env.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Err(_) => {
                Self { claw: None, chromium: Some("/usr/bin/chromium".into()), node: Some("node".into()) }
            }
        }
    }
}

/// The program.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn program() -> PathBuf {
    let claw = Tools::find().claw.unwrap_or_else(|| components::target().join("debug/claw"));
    assert!(claw.is_file(), "{} is not there: run `cargo build -p claw` first", claw.display());
    claw
}

/// A directory as a first run would leave it, with the compiled guests of earlier tests: compiling is not what
/// these tests are about. `host` is where the host's own data is in it.
pub fn prepare(host: &Path) {
    let cache = components::target().join("test-cache");
    fs::create_dir_all(&cache).unwrap();
    fs::create_dir_all(host).unwrap();
    let link = host.join("cache");
    if !link.exists() {
        std::os::unix::fs::symlink(cache.canonicalize().unwrap(), link).unwrap();
    }
}

/// The program with arguments, where `home` is all it knows.
#[must_use]
pub fn command(home: &Path, args: &[&str]) -> Command {
    wrapped(&[], home, args)
}

/// The same, begun by another program such as `unshare`.
#[must_use]
pub fn wrapped(by: &[&str], home: &Path, args: &[&str]) -> Command {
    let claw = program();
    let mut command = match by {
        [] => Command::new(claw),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(claw);
            command
        }
    };
    for name in ["URL", "TOKEN", "PROFILE", "CONFIG", "LOG", "LOG_FORMAT"] {
        command.env_remove(format!("CLAW_{name}"));
    }
    for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.args(args).env("HOME", home).current_dir(home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a run to its end said.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; 128 and the signal when one ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Its standard output as JSON, after a success.
    ///
    /// # Panics
    /// When it did not succeed or said something else.
    #[must_use]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it does not end.
pub async fn run(mut command: Command) -> Ran {
    let output = tokio::time::timeout(START, command.output()).await.expect("it did not end").unwrap();
    Ran {
        code: code(output.status),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// A server of the program, which said that it is ready. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    /// What it said when it was ready.
    pub ready: Value,
    /// Of its first tenant, for those that say where they are.
    pub client: Client,
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    said: Arc<Mutex<String>>,
    listening: JoinHandle<()>,
}

impl Server {
    /// `claw up` over a data directory, on a free port, without the demo agent.
    pub async fn up(data: &Path) -> Self {
        Self::up_with(data, &[]).await
    }

    /// The same, with more arguments.
    pub async fn up_with(data: &Path, more: &[&str]) -> Self {
        prepare(&data.join("host"));
        let data = data.to_str().unwrap();
        let mut args = vec!["up", "--json", "--no-demo", "--listen", "127.0.0.1:0", "--data", data];
        args.extend(more);
        Self::start(command(Path::new(data), &args)).await
    }

    /// A server by its command; returns when it is ready.
    ///
    /// # Panics
    /// With what it said, when it ends before.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let said = Arc::default();
        let listening = tokio::spawn(listen(child.stderr.take().unwrap(), Arc::clone(&said)));
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(START, stdout.next_line()).await;
        let Ok(Ok(Some(line))) = line else { panic!("it is not ready: {}", text(&said)) };
        let ready: Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| ready[name].as_str().unwrap_or_default();
        let client = Client::new(field("url"), field("token"));
        Self { client, ready, child, stdout, said, listening }
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it ended")
    }

    /// What it said on standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        text(&self.said)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and all it said.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(mut self) -> Ran {
        let status = tokio::time::timeout(END, self.child.wait()).await;
        let Ok(status) = status else { panic!("it does not end: {}", self.said()) };
        let mut stdout = String::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            stdout.push_str(&line);
            stdout.push('\n');
        }
        (&mut self.listening).await.unwrap();
        Ran { code: code(status.unwrap()), stdout, stderr: self.said() }
    }

    /// Ends it as Ctrl-C does.
    ///
    /// # Panics
    /// When that is not a success.
    pub async fn stop(self) {
        self.signal(Signal::INT);
        let ran = self.end().await;
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.end().await.code, 137);
    }
}

/// An address of this machine that nobody else uses: a port of it stays free while nobody listens there.
#[must_use]
pub fn lonely_address() -> SocketAddr {
    let [a, b, c] = rand::random::<[u8; 3]>();
    ([127, a.max(1), b, c.clamp(1, 254)], 0).into()
}

fn text(said: &Mutex<String>) -> String {
    said.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<String>>) {
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..count]);
        said.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}
