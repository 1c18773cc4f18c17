//! The page in a real Chromium. The scripts of `tests/browser` and `api/web/test` do what a person does; this file
//! gives them a cloud and keeps their pictures in `target/screenshots`.

use std::{path::PathBuf, process::Stdio, time::Duration};

use cloud_tests::{
    components,
    process::{Server, Tools, command},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

/// A browser takes seconds to start on a busy machine, and each step of a script has a patience of its own.
const SCRIPT: Duration = Duration::from_secs(110);

/// A script that is ready to run; none where the browser tests are left out.
fn script(path: &str, pictures: &str) -> Option<Command> {
    let Tools { node: Some(node), chromium: Some(chromium), .. } = Tools::find() else {
        eprintln!("the browser tests are left out: `cargo xtask test` without --no-browser sets them up");
        return None;
    };
    let mut command = Command::new(node);
    command.arg(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path));
    command.env("CLAW_CHROMIUM", chromium).env("PICTURES", shots(pictures));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    Some(command)
}

fn shots(name: &str) -> PathBuf {
    components::target().join("screenshots").join(name)
}

async fn succeeds(mut command: Command) {
    let output =
        tokio::time::timeout(SCRIPT, command.output()).await.expect("the script does not end").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !err.contains("FAILED"), "{out}{err}");
}

/// What the page's address ends with after `claw up` printed it: signs one browser in.
fn code(ready: &Value) -> &str {
    ready["console"].as_str().unwrap().split_once("#code=").unwrap().1
}

#[tokio::test]
async fn first_light() {
    let Some(mut command) = script("tests/browser/first-light.mjs", "first-light") else { return };
    let data = tempfile::tempdir().unwrap();
    let cloud = Server::up(data.path()).await;
    let args =
        json!({ "base": cloud.client.url, "code": code(&cloud.ready), "pictures": shots("first-light") });
    command.env("CLAW_BROWSER_ARGS", args.to_string());
    succeeds(command).await;
    // All its agents are gone, and the code is used up.
    let (_, list) = cloud.client.get("/v1/agents?status=running").await;
    assert_eq!(list["data"], json!([]));
    cloud.stop().await;
}

#[tokio::test]
async fn the_page_when_things_go_wrong() {
    let Some(command) = script("api/web/test/page.mjs", "page") else { return };
    succeeds(command).await;
}

/// The cloud ends and begins again below an open page: as planned, and as nobody planned.
#[tokio::test]
async fn an_open_terminal_outlives_the_cloud() {
    let Some(mut command_of_script) = script("tests/browser/restart.mjs", "restart") else { return };
    let data = tempfile::tempdir().unwrap();
    let first = Server::up(data.path()).await;
    let agent = first.client.spawn(json!({ "image": "hello", "name": "steady" })).await;
    let args = json!({
        "base": first.client.url, "code": code(&first.ready), "agent": agent.id, "pictures": shots("restart"),
    });
    let mut script = command_of_script.env("CLAW_BROWSER_ARGS", args.to_string()).spawn().unwrap();
    let mut go = script.stdin.take().unwrap();
    let mut says = BufReader::new(script.stdout.take().unwrap()).lines();
    let running = async {
        assert_eq!(says.next_line().await.unwrap().as_deref(), Some("attached"));
        let listen = first.client.url.trim_start_matches("http://").to_owned();
        first.stop().await;
        go.write_all(b"down\n").await.unwrap();
        assert_eq!(says.next_line().await.unwrap().as_deref(), Some("waiting"));
        let path = data.path().to_str().unwrap();
        let args = ["up", "--json", "--no-demo", "--listen", &listen, "--data", path];
        let second = Server::start(command(data.path(), &args)).await;
        go.write_all(b"up\n").await.unwrap();
        assert_eq!(says.next_line().await.unwrap().as_deref(), Some("back"));
        second.kill().await;
        let third = Server::start(command(data.path(), &args)).await;
        go.write_all(b"killed\n").await.unwrap();
        let output = script.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        third.stop().await;
    };
    tokio::time::timeout(SCRIPT, running).await.expect("the script does not end");
}
