//! `claw up`, `claw api` and `claw host` as processes: starts, planned ends, and ends that nobody planned.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use cloud_tests::{
    Client,
    client::PATIENCE,
    process::{Server, command, prepare, run},
};
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use wire::{
    access::Role,
    agent::{Agent, Page, Status, StatusReason},
    terminal::{From, ServerControl},
};

/// A host is declared dead 20 s after its last sign of life, which may be 5 s old and is looked at each second.
const LOST: Duration = Duration::from_secs(40);

async fn put(cloud: &Client, agent: &Agent, path: &str, body: &'static str) {
    let path = format!("/v1/agents/{}/files/{path}", agent.id);
    let answer = cloud.request(Method::PUT, &path).body(body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

async fn file(cloud: &Client, agent: &Agent, path: &str) -> String {
    let path = format!("/v1/agents/{}/files/{path}", agent.id);
    let answer = cloud.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.text().await.unwrap()
}

async fn ids(cloud: &Client, path: &str) -> Vec<String> {
    let (status, body) = cloud.get(path).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let page: Page<Value> = serde_json::from_value(body).unwrap();
    let mut ids: Vec<_> = page.data.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_fresh_directory_is_up_with_one_line_and_down_with_one_signal() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("new/data");
    let args = ["up", "--json", "--no-demo", "--listen", "127.0.0.1:0", "--data", "new/data"];
    let cloud = Server::start(command(home.path(), &args)).await;
    assert!(cloud.client.url.starts_with("http://127.0.0.1:"), "{}", cloud.ready);
    assert_eq!(cloud.client.get("/v1/session").await.0, StatusCode::OK);
    let (_, images) = cloud.client.get("/v1/images").await;
    assert!(images["data"].as_array().unwrap().iter().any(|image| image["name"] == "hello"), "{images}");
    assert_eq!(fs::read_to_string(data.join("url")).unwrap().trim(), cloud.client.url);
    assert_eq!(fs::read_to_string(data.join("token")).unwrap().trim(), cloud.client.token);
    cloud.signal(Signal::INT);
    let ran = cloud.end().await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert!(!data.join("url").exists(), "clients of this directory would look for a cloud that is gone");
}

#[tokio::test]
async fn people_are_told_where_to_look_without_a_secret_that_lasts() {
    let data = tempfile::tempdir().unwrap();
    prepare(&data.path().join("host"));
    let args = ["up", "--no-demo", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    let mut cloud = command(data.path(), &args).spawn().unwrap();
    let mut lines = BufReader::new(cloud.stdout.take().unwrap()).lines();
    let mut said = String::new();
    let reading = async {
        while !said.contains("Ctrl-C stops") {
            said.push_str(&lines.next_line().await.unwrap().expect("it ended"));
            said.push('\n');
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    assert!(said.contains("OpenClaw Cloud is up") && said.contains("/#code="), "{said}");
    assert!(said.contains(&data.path().join("token").display().to_string()), "{said}");
    assert!(!said.contains(&first_token(data.path())), "{said}");
    let pid = Pid::from_raw(i32::try_from(cloud.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(cloud.wait().await.unwrap().success());
}

#[tokio::test]
async fn the_demo_agent_is_made_once_and_found_again() {
    let data = tempfile::tempdir().unwrap();
    prepare(&data.path().join("host"));
    let args = ["up", "--json", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    let first = Server::start(command(data.path(), &args)).await;
    let id = first.ready["agent"].as_str().unwrap().to_owned();
    let page = format!("{}/agents/{id}/terminal#code=", first.client.url);
    assert!(first.ready["terminal"].as_str().unwrap().starts_with(&page), "{}", first.ready);
    let (_, demo) = first.client.get(&format!("/v1/agents/{id}")).await;
    let demo: Agent = serde_json::from_value(demo).unwrap();
    assert_eq!((demo.name.as_str(), demo.image.as_str(), demo.status), ("demo", "shell", Status::Running));
    let mut terminal = first.client.terminal(&demo).await;
    terminal.run("echo $((6 * 7)) | tee note").await;
    terminal.wait_line("42").await;
    first.stop().await;

    let second = Server::start(command(data.path(), &args)).await;
    assert_eq!(second.ready["agent"].as_str(), Some(id.as_str()));
    let mut terminal = second.client.terminal(&demo).await;
    terminal.wait_line("42").await;
    terminal.run("sed s/4/four-/ note").await;
    terminal.wait_line("four-2").await;
    second.stop().await;
}

#[tokio::test]
async fn sigterm_is_as_good_as_ctrl_c_and_nothing_secret_is_logged() {
    let data = tempfile::tempdir().unwrap();
    let cloud = Server::up_with(data.path(), &["--log", "trace"]).await;
    cloud.client.spawn(json!({ "image": "hello" })).await;
    let token = cloud.client.token.clone();
    cloud.signal(Signal::TERM);
    let ran = cloud.end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let secret = token.rsplit('_').next().unwrap();
    assert!(!ran.stderr.contains(secret), "the token is in the log");
}

#[tokio::test]
async fn after_a_planned_end_agents_run_again_with_files_and_screen() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::up(data.path()).await;
    let cloud = first.client.clone();
    let agent = cloud.spawn(json!({ "image": "hello", "name": "keeper", "metadata": { "a": "b" } })).await;
    let gone = cloud.spawn(json!({ "image": "hello" })).await;
    assert_eq!(cloud.end(&gone).await.0, 202);
    cloud.wait_for(&gone, |now| now.status == Status::Terminated).await;
    put(&cloud, &agent, "notes/a.txt", "kept").await;
    let body = json!({ "name": "ci", "scopes": ["agents:read"] });
    let (_, token) = cloud.call(Method::POST, "/v1/tokens", &body).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("> ").await;
    terminal.run("before the end").await;
    terminal.wait("You said: before the end").await;
    let tokens = ids(&cloud, "/v1/tokens").await;
    first.stop().await;

    let second = Server::up(data.path()).await;
    let cloud = second.client.clone();
    assert_eq!(cloud.token, first_token(data.path()), "the first token stays");
    assert_eq!(ids(&cloud, "/v1/tokens").await, tokens);
    let other = Client::new(&cloud.url, token["secret"].as_str().unwrap());
    assert_eq!(other.get("/v1/agents").await.0, StatusCode::OK);
    let again = cloud.wait_for(&agent, |now| now.status == Status::Running).await;
    assert_eq!((again.epoch, again.name.as_str(), &again.metadata), (2, "keeper", &agent.metadata));
    assert_eq!(cloud.agent(&gone).await.status, Status::Terminated);
    assert_eq!(file(&cloud, &agent, "notes/a.txt").await, "kept");
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("You said: before the end").await;
    terminal.run("after it").await;
    terminal.wait("You said: after it").await;
    assert!(terminal.screen().contains("before the end"), "{}", terminal.screen());
    second.stop().await;
}

fn first_token(data: &Path) -> String {
    fs::read_to_string(data.join("token")).unwrap().trim().to_owned()
}

#[tokio::test]
async fn after_kill_nine_all_that_was_acknowledged_is_there_and_every_agent_is_back() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::up(data.path()).await;
    let cloud = first.client.clone();
    let ran = cloud.spawn(json!({ "image": "hello", "name": "ran" })).await;
    let ended = cloud.spawn(json!({ "image": "hello", "name": "ended" })).await;
    cloud.end(&ended).await;
    cloud.wait_for(&ended, |now| now.status == Status::Terminated).await;
    let (status, token) =
        cloud.call(Method::POST, "/v1/tokens", &json!({ "name": "t", "scopes": ["agents:read"] })).await;
    assert_eq!(status, StatusCode::CREATED);
    // Many at once and no pause after the last answer: what was answered must be on disk.
    let spawns = (0..20).map(|n| {
        let cloud = cloud.clone();
        let body = json!({ "image": "hello", "name": format!("n{n}") });
        async move { cloud.call(Method::POST, "/v1/agents/spawn", &body).await }
    });
    let answers = futures_util::future::join_all(spawns).await;
    first.kill().await;

    let second = Server::up(data.path()).await;
    let cloud = second.client.clone();
    for (status, body) in answers {
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        let agent: Agent = serde_json::from_value(body).unwrap();
        let now = cloud.wait_for(&agent, |now| now.status == Status::Running || now.status.is_final()).await;
        assert_eq!(now.status, Status::Running, "{now:?}");
    }
    let back = cloud.wait_for(&ran, |now| now.status == Status::Running).await;
    assert!(back.epoch > ran.epoch);
    assert_eq!(cloud.agent(&ended).await.status, Status::Terminated);
    assert!(ids(&cloud, "/v1/tokens").await.contains(&token["id"].as_str().unwrap().to_owned()));
    let fresh = cloud.spawn(json!({ "image": "hello" })).await;
    cloud.terminal(&fresh).await.wait("Hello!").await;
    second.stop().await;
}

/// An API and a host in processes of their own.
struct Fleet {
    home: tempfile::TempDir,
    api: Server,
    host: Server,
}

impl Fleet {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        prepare(&home.path().join("host"));
        let args = ["host-credential", "--data", &at("api"), "--host-data", &at("host")];
        let credential = run(command(home.path(), &args)).await;
        assert_eq!(credential.code, 0, "{credential:?}");
        fs::write(at("credential"), &credential.stdout).unwrap();
        let api = Self::api(home.path(), "127.0.0.1:0").await;
        let (url, data, credential) = (&api.client.url, at("host"), at("credential"));
        let store = format!("file://{}", at("api/depot"));
        let args = [
            "host",
            "--json",
            "--api",
            url,
            "--data",
            &data,
            "--credential-file",
            &credential,
            "--store",
            &store,
        ];
        let host = Server::start(command(home.path(), &args)).await;
        Self { home, api, host }
    }

    async fn api(home: &Path, listen: &str) -> Server {
        let data: PathBuf = home.join("api");
        let args = ["api", "--json", "--listen", listen, "--data", data.to_str().unwrap()];
        Server::start(command(home, &args)).await
    }
}

#[tokio::test]
async fn an_api_and_a_host_work_apart_and_a_killed_host_is_noticed() {
    let Fleet { home: _home, api, host } = Fleet::start().await;
    let cloud = api.client.clone();
    let agent = cloud.spawn(json!({ "image": "hello" })).await;
    assert_eq!(agent.host.unwrap().to_string(), host.ready["id"].as_str().unwrap());
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("> ").await;
    terminal.run("across processes").await;
    terminal.wait("You said: across processes").await;
    host.kill().await;
    terminal.wait_close().await;
    // It waits for a host that has room: no other is here.
    let waits = |now: &Agent| matches!(now.status, Status::Pending | Status::Resuming) && now.host.is_none();
    let lost = cloud.wait_within(LOST, &agent, waits).await;
    assert_eq!(lost.status_reason, Some(StatusReason::HostLost));
    let (_, hosts) = cloud.get("/v1/hosts").await;
    assert_eq!(hosts["data"][0]["state"], "dead", "{hosts}");
    let detail = lost.status_detail.unwrap();
    assert!(detail.contains(hosts["data"][0]["id"].as_str().unwrap()), "{detail}");
    // What is asked for meanwhile waits for a host.
    let (status, waiting) = cloud.call(Method::POST, "/v1/agents/spawn", &json!({ "image": "hello" })).await;
    assert_eq!((status, &waiting["status"]), (StatusCode::ACCEPTED, &json!("pending")), "{waiting}");
    api.stop().await;
}

#[tokio::test]
async fn agents_outlive_their_api_and_sockets_come_back() {
    let Fleet { home, api, host } = Fleet::start().await;
    let cloud = api.client.clone();
    let agent = cloud.spawn(json!({ "image": "hello", "name": "steady" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("> ").await;
    let (generation, offset) = terminal.position;
    // Its answer comes while nobody is there to pass it on.
    terminal.run("into the gap").await;
    terminal.wait_control(|message| matches!(message, ServerControl::InputAck { .. }).then_some(())).await;
    let listen = cloud.url.trim_start_matches("http://").to_owned();
    api.kill().await;
    terminal.wait_close().await;

    let api = Fleet::api(home.path(), &listen).await;
    let now = cloud.wait_for(&agent, |now| now.status.is_final() || now.status == Status::Running).await;
    assert_eq!((now.status, now.epoch), (Status::Running, agent.epoch));
    let mut terminal = cloud.socket(&agent, Role::Operator).await;
    terminal.attach_at(From::Position { generation, offset }, Some("test")).await;
    terminal.wait("You said: into the gap").await;
    assert_eq!((terminal.snapshots, terminal.position.0), (0, generation), "resumed, not drawn anew");
    let other = cloud.spawn(json!({ "image": "hello" })).await;
    assert_eq!(other.status, Status::Running);
    host.stop().await;
    let drained = cloud.wait_for(&agent, |now| now.status == Status::Migrating).await;
    assert_eq!((drained.status_reason, drained.host), (Some(StatusReason::HostDrain), None));
    api.stop().await;
}
