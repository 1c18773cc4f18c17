//! The client's verbs against a cloud that runs: what they answer people and programs, and how they end.

use std::{path::Path, process::Stdio};

use cloud_tests::process::{Ran, Server, command, program, run};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{ChildStdin, ChildStdout, Command},
};

/// A cloud and a user of it.
struct User {
    cloud: Server,
    home: tempfile::TempDir,
    _data: tempfile::TempDir,
}

impl User {
    async fn start() -> Self {
        let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self { cloud: Server::up(data.path()).await, home, _data: data }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.home(), args);
        command.env("CLAW_URL", &self.cloud.client.url).env("CLAW_TOKEN", &self.cloud.client.token);
        command
    }

    async fn claw(&self, args: &[&str]) -> Ran {
        run(self.command(args)).await
    }

    async fn json(&self, args: &[&str]) -> Value {
        self.claw(&[args, &["--json"]].concat()).await.json()
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

#[tokio::test]
async fn programs_get_json_from_every_verb() {
    let user = User::start().await;
    let args =
        ["spawn", "hello", "--name", "worker", "--metadata", "team=blue", "-e", "A=b", "--config", "[1]"];
    let args = [&args[..], &["--memory-mib", "8"]].concat();
    let agent = user.json(&args).await;
    assert_eq!((&agent["status"], &agent["name"]), (&json!("running"), &json!("worker")));
    assert_eq!((&agent["limits"]["memory_mib"], &agent["metadata"]), (&json!(8), &json!({ "team": "blue" })));
    assert!(agent["ticket"]["url"].as_str().unwrap().starts_with("ws://"), "{agent}");

    let list = user.json(&["ls"]).await;
    assert_eq!((list.as_array().unwrap().len(), id(&list[0])), (1, id(&agent)));
    assert_eq!(user.json(&["ls", "--metadata", "team=red"]).await, json!([]));
    assert_eq!(id(&user.json(&["get", "worker"]).await), id(&agent), "by name");
    assert_eq!(id(&user.json(&["get", id(&agent)]).await), id(&agent), "by id");
    let images = user.json(&["images"]).await;
    assert!(images.as_array().unwrap().iter().any(|image| image["name"] == "hello"), "{images}");
    let hosts = user.json(&["hosts"]).await;
    assert_eq!((&hosts[0]["state"], &hosts[0]["agents"].is_u64()), (&json!("active"), &true), "{hosts}");

    let token = user.json(&["tokens", "create", "ci", "--scope", "agents:read", "--expires-in", "60"]).await;
    assert!(token["secret"].as_str().unwrap().starts_with("claw_"), "{token}");
    let mut weak = user.command(&["rm", "worker"]);
    weak.env("CLAW_TOKEN", token["secret"].as_str().unwrap());
    assert_eq!(run(weak).await.code, 4, "a token that may only read has removed an agent");
    let tokens = user.json(&["tokens"]).await;
    assert!(tokens.as_array().unwrap().iter().any(|each| id(each) == id(&token)), "{tokens}");
    assert!(!tokens.to_string().contains(token["secret"].as_str().unwrap()));
    user.json(&["tokens", "rm", id(&token)]).await;

    for line in user.claw(&["logs", "worker", "--json"]).await.stdout.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["seq"].is_u64(), "{line}");
    }
    let removed = user.json(&["rm", "worker"]).await;
    assert_eq!((id(&removed[0]), &removed[0]["status"]), (id(&agent), &json!("terminated")));
    assert_eq!(user.json(&["ls"]).await, json!([]));
    assert_eq!(user.json(&["ls", "--all"]).await[0]["status"], "terminated");
}

#[tokio::test]
async fn people_get_tables() {
    let user = User::start().await;
    let spawned = user.claw(&["spawn", "hello", "--name", "person"]).await;
    assert_eq!(spawned.code, 0, "{spawned:?}");
    for (args, words) in [
        (&["ls"][..], &["ID", "NAME", "STATUS", "person", "running"][..]),
        (&["get", "person"], &["person", "hello", "running", "sha256:"]),
        (&["images"], &["NAME", "hello"]),
        (&["hosts"], &["ID", "active"]),
        (&["tokens"], &["NAME", "bootstrap", "agents:read"]),
        (&["logs", "person"], &[]),
        (&["completions", "bash"], &["claw"]),
        (&["--help"], &["Usage", "spawn", "attach", "Exit codes", "69"]),
        (&["--version"], &["claw"]),
        (&["rm", "person"], &["agt_"]),
    ] {
        let ran = user.claw(args).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}: {ran:?}");
        for word in words {
            assert!(ran.stdout.contains(word), "{args:?}: no {word}: {}", ran.stdout);
        }
    }
    let quiet = user.claw(&["ls", "--quiet", "--all"]).await.stdout;
    assert!(quiet.starts_with("agt_") && quiet.lines().count() == 1, "{quiet}");
}

#[tokio::test]
async fn failures_end_with_the_documented_codes() {
    let user = User::start().await;
    let nobody = "agt_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (args, code, says) in [
        (&["get", nobody][..], 3, "Not found"),
        (&["get", "nobody"], 3, "no live agent is named nobody"),
        (&["logs", nobody], 3, "Not found"),
        (&["rm", nobody, "nobody"], 3, "Not found"),
        (&["attach", "nobody"], 3, "nobody"),
        (&["tokens", "rm", "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 3, "Not found"),
        (&["frobnicate"], 2, "frobnicate"),
        (&["spawn", "--memory-mib", "much"], 2, "memory-mib"),
        (&["spawn", "--config", "{"], 2, "--config"),
        (&["spawn", "-e", "novalue"], 2, "novalue"),
        (&["get", "x", "--timeout", "0"], 2, "timeout"),
        (&["tokens", "create", "x", "--scope", "everything"], 2, "everything"),
        (&["ls", "--profile", "none", "--url", ""], 2, ""),
        (&["spawn", "none"], 5, "image"),
        (&["spawn", "hello", "--memory-mib", "99999"], 5, "/limits/memory_mib"),
        (&["spawn", "hello", "--name", ""], 5, "/name"),
    ] {
        let ran = user.claw(args).await;
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains(says), "{args:?}: {ran:?}");
    }
    let refused = user.claw(&["spawn", "hello", "--memory-mib", "0", "--json"]).await;
    let problem: Value = serde_json::from_str(&refused.stderr).unwrap();
    assert_eq!((refused.code, &problem["code"]), (5, &json!("validation")), "{problem}");

    let mut wrong = user.command(&["ls"]);
    wrong.env("CLAW_TOKEN", "claw_live_nobody");
    assert_eq!(run(wrong).await.code, 4);
    let ran = run(command(user.home(), &["ls"])).await;
    assert_eq!(ran.code, 69, "no cloud is known: {ran:?}");
    let ran = run(command(user.home(), &["ls", "--config-file", "nowhere.toml"])).await;
    assert!(ran.code == 74 && ran.stderr.contains("nowhere.toml"), "{ran:?}");
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut away = user.command(&["ls"]);
    away.env("CLAW_URL", format!("http://{free}"));
    let ran = run(away).await;
    assert!(ran.code == 69 && ran.stderr.contains("cannot reach"), "{ran:?}");
    assert!(!ran.stderr.contains(&user.cloud.client.token), "{ran:?}");
}

#[tokio::test]
async fn a_cloud_of_this_directory_is_found_without_being_told() {
    let home = tempfile::tempdir().unwrap();
    let cloud = Server::up(&home.path().join(".claw")).await;
    let deep = home.path().join("a/b");
    std::fs::create_dir_all(&deep).unwrap();
    let mut ls = command(home.path(), &["ls", "--json"]);
    ls.current_dir(deep);
    assert_eq!(run(ls).await.json(), json!([]));
    cloud.stop().await;
    assert_eq!(run(command(home.path(), &["ls"])).await.code, 69);
}

#[tokio::test]
async fn piped_input_is_typed_and_its_effect_shown() {
    let user = User::start().await;
    user.json(&["spawn", "hello", "--name", "piped"]).await;
    let mut attach = user.command(&["attach", "piped"]);
    let mut attached = attach.stdin(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut shown) = (attached.stdin.take().unwrap(), Shown::new(attached.stdout.take().unwrap()));
    shown.wait("> ").await;
    keys.write_all(b"from a pipe\r").await.unwrap();
    shown.wait("You said: from a pipe").await;
    drop(keys);
    assert!(attached.wait().await.unwrap().success());
}

#[tokio::test]
async fn an_agent_that_is_ended_ends_the_terminal() {
    let user = User::start().await;
    user.json(&["spawn", "hello", "--name", "brief"]).await;
    let mut pty = Pty::open(&user, "brief");
    pty.shown.wait("> ").await;
    user.json(&["rm", "brief"]).await;
    pty.shown.wait("brief ended").await;
    pty.shown.wait("code=0").await;
}

#[tokio::test]
async fn a_terminal_is_attached_detached_and_sane_again() {
    let user = User::start().await;
    let agent = user.json(&["spawn", "hello", "--name", "pty"]).await;
    let mut pty = Pty::open(&user, "pty");
    pty.shown.wait("attached to pty").await;
    pty.shown.wait("> ").await;
    pty.keys.write_all(b"from a terminal\r").await.unwrap();
    pty.shown.wait("You said: from a terminal").await;
    // Ctrl-C is the agent's, not the client's.
    pty.keys.write_all(b"\x03").await.unwrap();
    pty.shown.wait("Nothing to interrupt.").await;
    pty.keys.write_all(b"\x10\x11").await.unwrap();
    pty.shown.wait("detached").await;
    pty.shown.wait("code=0").await;
    pty.shown.wait("end of modes").await;
    let after = pty.shown.text.split("code=0").last().unwrap();
    for mode in ["icanon", "echo", "isig", "opost", "icrnl"] {
        let on = after.split([' ', ';', '\r', '\n']).any(|word| word == mode);
        assert!(on, "the terminal was left without {mode}: {after}");
    }
    assert_eq!(user.json(&["get", id(&agent)]).await["status"], "running");
}

#[tokio::test]
async fn an_agent_is_kept_multiplied_and_taken_back() {
    let user = User::start().await;
    let args = ["spawn", "shell", "--name", "life", "--idle-timeout-seconds", "3600", "--send-to", "tenant"];
    let agent = user.json(&[&args[..], &["--on-drain", "finish"]].concat()).await;
    assert_eq!(agent["on_drain"], "finish", "{agent}");

    let taken = user.json(&["checkpoint", "life", "--note", "before"]).await;
    assert_eq!((&taken["kind"], &taken["note"]), (&json!("requested"), &json!("before")), "{taken}");
    let list = user.json(&["checkpoints", "life"]).await;
    assert!(list.as_array().unwrap().iter().any(|each| id(each) == id(&taken)), "{list}");
    assert!(user.claw(&["checkpoints", "life"]).await.stdout.contains("before"));

    let fork = user.json(&["fork", "life", "--from", id(&taken)]).await;
    assert_eq!(fork["results"][0]["agent"]["parent"]["checkpoint"], taken["id"], "{fork}");
    assert_eq!(user.json(&["suspend", "life"]).await["status"], "suspended");
    assert_eq!(user.json(&["resume", "life"]).await["status"], "running");
    let restored = user.json(&["restore", "life", id(&taken)]).await;
    assert_eq!((id(&restored), &restored["status"]), (id(&agent), &json!("running")), "{restored}");

    let kept = user.claw(&["checkpoint-rm", id(&taken)]).await;
    assert!(kept.code == 5 && kept.stderr.contains("goes on from this checkpoint"), "{kept:?}");

    let spare = user.json(&["checkpoint", "life"]).await;
    for _ in ["the one before", "the last"] {
        user.json(&["checkpoint", "life"]).await;
    }
    assert_eq!(user.json(&["checkpoint-rm", id(&spare)]).await, json!([spare["id"]]));
    assert_eq!(user.claw(&["checkpoint-rm", id(&spare)]).await.code, 3, "it is gone");
    assert_eq!(user.claw(&["restore", "life", id(&spare)]).await.code, 5, "there is no such checkpoint");
    let refused = user.claw(&["upgrade", "life", "hello"]).await;
    assert!(refused.code != 0 && refused.stderr.contains("to export `save` and `load`"), "{refused:?}");
}

#[tokio::test]
async fn a_webhook_is_made_called_and_deleted() {
    let user = User::start().await;
    user.json(&["spawn", "shell", "--name", "hooked"]).await;
    let made = user.claw(&["hooks", "create", "hooked", "ci"]).await;
    assert_eq!(made.code, 0, "{made:?}");
    let url = made.stdout.trim();
    assert_eq!(user.json(&["hooks", "ls", "hooked"]).await[0]["name"], "ci");
    // The address is all its caller needs.
    let called = reqwest::Client::new().post(url).body("built").send().await.unwrap();
    assert_eq!(called.status(), reqwest::StatusCode::ACCEPTED);
    assert_eq!(user.json(&["hooks", "rm", "hooked", "ci"]).await["name"], "ci");
    let called = reqwest::Client::new().post(url).body("built").send().await.unwrap();
    assert_eq!(called.status(), reqwest::StatusCode::NOT_FOUND);
    assert_eq!(user.json(&["hooks", "ls", "hooked"]).await, json!([]));
    let sent = user.json(&["send", "hooked", "good morning"]).await;
    assert!(sent["message_id"].as_str().is_some(), "{sent}");
}

/// `claw attach` in a terminal of its own, made by `script` of util-linux; its exit code and the modes of the
/// terminal afterwards come behind it.
struct Pty {
    keys: ChildStdin,
    shown: Shown,
    _script: tokio::process::Child,
}

impl Pty {
    fn open(user: &User, agent: &str) -> Self {
        let line =
            format!("{} attach {agent}; echo code=$?; stty -a; echo end of modes", program().display());
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "xterm");
        script.env("HOME", user.home()).current_dir(user.home());
        script.env("CLAW_URL", &user.cloud.client.url).env("CLAW_TOKEN", &user.cloud.client.token);
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut script = script.spawn().unwrap();
        let (keys, shown) = (script.stdin.take().unwrap(), Shown::new(script.stdout.take().unwrap()));
        Self { keys, shown, _script: script }
    }
}

/// What a program shows.
struct Shown {
    from: ChildStdout,
    text: String,
}

impl Shown {
    fn new(from: ChildStdout) -> Self {
        Self { from, text: String::new() }
    }

    /// Reads until a text was shown.
    async fn wait(&mut self, text: &str) {
        let reading = async {
            let mut buffer = [0; 4096];
            while !self.text.contains(text) {
                match self.from.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => self.text.push_str(&String::from_utf8_lossy(&buffer[..count])),
                }
            }
        };
        let _ = tokio::time::timeout(cloud_tests::client::PATIENCE, reading).await;
        assert!(self.text.contains(text), "no {text:?} was shown: {:?}", self.text);
    }
}
