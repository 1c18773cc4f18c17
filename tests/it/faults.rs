//! Data directories and addresses that cannot be used: a clear message, the documented exit code, and nothing
//! changed.

use std::{
    collections::BTreeMap,
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    net::TcpListener,
    path::Path,
    process::Stdio,
};

use cloud_tests::process::{Ran, Server, command, prepare, run, wrapped};
use reqwest::{Method, StatusCode};
use serde_json::json;
use wire::{access::Role, agent::Status, terminal::close};

/// Every file below a directory and what is in it, but for the lock: its text is whoever tried last.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let (kind, name) = (entry.file_type().unwrap(), entry.path().display().to_string());
            if kind.is_dir() {
                dirs.push(entry.path());
                found.insert(name, Vec::new());
            } else if kind.is_file() && entry.file_name() != "claw.lock" {
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}

/// A data directory that was used and ended as planned, with an agent in it.
async fn used() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let cloud = Server::up(data.path()).await;
    cloud.client.spawn(json!({ "image": "hello", "name": "kept" })).await;
    cloud.stop().await;
    data
}

async fn up(data: &Path) -> Ran {
    let home = tempfile::tempdir().unwrap();
    run(command(home.path(), &args(data.to_str().unwrap()))).await
}

fn args(data: &str) -> Vec<&str> {
    vec!["up", "--json", "--no-demo", "--listen", "127.0.0.1:0", "--data", data]
}

/// It ended with this code, said this, and was never ready.
#[track_caller]
fn refused(ran: &Ran, code: i32, says: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
    assert!(ran.stderr.contains(says), "{ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

/// The directory is as good as before.
async fn works(data: &Path) {
    let cloud = Server::up(data).await;
    let (_, list) = cloud.client.get("/v1/agents?name=kept").await;
    let agent = serde_json::from_value(list["data"][0].clone()).unwrap();
    cloud.client.wait_for(&agent, |now| now.status == Status::Running).await;
    cloud.stop().await;
}

#[tokio::test]
async fn a_directory_in_use_is_left_to_its_user() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::up(data.path()).await;
    let agent = first.client.spawn(json!({ "image": "hello" })).await;
    let ran = up(data.path()).await;
    refused(&ran, 75, &format!("in use by another claw (process {})", first.pid()));
    let apart = tempfile::tempdir().unwrap();
    let api = ["api", "--json", "--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()];
    refused(&run(command(apart.path(), &api)).await, 75, "in use by another claw");
    assert_eq!(first.client.agent(&agent).await.status, Status::Running);
    first.stop().await;
}

#[tokio::test]
async fn a_locked_directory_is_not_touched() {
    let data = used().await;
    let before = contents(data.path());
    let lock = fs::File::open(data.path().join("claw.lock")).unwrap();
    lock.try_lock().unwrap();
    refused(&up(data.path()).await, 75, "in use by another claw");
    assert!(before == contents(data.path()));
    drop(lock);
    works(data.path()).await;
}

#[tokio::test]
async fn a_newer_layout_or_store_is_not_touched() {
    let data = used().await;
    fs::write(data.path().join("format"), "2\n").unwrap();
    let before = contents(data.path());
    refused(&up(data.path()).await, 65, "was written by a newer claw");
    assert!(before == contents(data.path()));
    fs::write(data.path().join("format"), "1\n").unwrap();

    // The store's version is 4 bytes of SQLite's header, which a planned end has written back to the file.
    let mut store = fs::OpenOptions::new().write(true).open(data.path().join("claw.db")).unwrap();
    let mut version = async |number: u32| {
        store.seek(SeekFrom::Start(60)).unwrap();
        store.write_all(&number.to_be_bytes()).unwrap();
    };
    let known = fs::read(data.path().join("claw.db")).unwrap()[60..64].try_into().unwrap();
    version(9999).await;
    let before = contents(data.path());
    refused(&up(data.path()).await, 65, "newer");
    assert!(before == contents(data.path()));
    version(u32::from_be_bytes(known)).await;
    works(data.path()).await;
}

#[tokio::test]
async fn damaged_files_are_named_and_kept() {
    let data = used().await;
    for (file, garbage, says) in [
        ("claw.db", b"not a database at all, but long enough to be looked at as one".as_slice(), "claw.db"),
        ("format", b"one", "format"),
        ("keys/ticket", b"short", "keys/ticket"),
        ("keys/fleet", b"short", "keys/fleet"),
        ("host/host.id", b"hst_nobody", "host.id"),
    ] {
        let path = data.path().join(file);
        let good = fs::read(&path).unwrap();
        fs::write(&path, garbage).unwrap();
        let before = contents(data.path());
        refused(&up(data.path()).await, 65, says);
        assert!(before == contents(data.path()), "{file}");
        fs::write(&path, good).unwrap();
    }
    works(data.path()).await;
}

#[tokio::test]
async fn a_file_in_the_way_stays() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "mine").unwrap();
    refused(&up(&file).await, 74, "is in the way");
    refused(&up(&file.join("below")).await, 74, "is in the way");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test]
async fn a_place_that_nobody_may_write_is_said() {
    // Not even root makes directories in sysfs.
    let ran = up(Path::new("/sys/kernel/claw")).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (77, ""), "{ran:?}");
    assert!(ran.stderr.contains("--data"), "{ran:?}");
}

#[tokio::test]
async fn an_address_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let args = ["up", "--json", "--no-demo", "--listen", &address, "--data", data.path().to_str().unwrap()];
    let ran = run(command(data.path(), &args)).await;
    refused(&ran, 69, &format!("cannot listen on {address}"));
    assert!(ran.stderr.contains("--listen"), "{ran:?}");
}

#[tokio::test]
async fn images_that_are_none_are_said() {
    let data = tempfile::tempdir().unwrap();
    let at = |name: &str| data.path().join(name).display().to_string();
    fs::write(at("text.wasm"), "no component").unwrap();
    // A core module where a component is needed.
    fs::write(at("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    for (image, code, says) in [
        (format!("x={}", at("none.wasm")), 74, "none.wasm"),
        (format!("x={}", at("text.wasm")), 65, "x"),
        (format!("x={}", at("core.wasm")), 65, "x"),
        ("x".to_owned(), 2, "--image x"),
    ] {
        prepare(&data.path().join("data/host"));
        let data = at("data");
        let mut args = args(&data);
        args.extend(["--image", &image]);
        refused(&run(command(Path::new(&data), &args)).await, code, says);
    }
}

#[expect(clippy::disallowed_methods, reason = "nobody could pass it on to a test")]
fn ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// What gives a program a view of mounts of its own here, if anything does: it takes root, or a kernel that lets
/// users be root of a namespace.
async fn namespace() -> Option<&'static [&'static str]> {
    for way in [&["unshare", "--mount"][..], &["unshare", "--user", "--map-root-user", "--mount"]] {
        let mut command = tokio::process::Command::new(way[0]);
        command.args(&way[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().await.is_ok_and(|status| status.success()) {
            return Some(way);
        }
    }
    // Left out silently they would be left out for ever.
    assert!(!ci(), "CI has to allow mount namespaces: read-only and full disks are tested with them");
    eprintln!("no mount namespaces here: read-only and full disks are left out");
    None
}

#[tokio::test]
async fn a_read_only_directory_is_said_and_as_it_was() {
    let Some(way) = namespace().await else { return };
    let (data, home) = (used().await, tempfile::tempdir().unwrap());
    let before = contents(data.path());
    let path = data.path().to_str().unwrap();
    let script = format!("mount --bind {path} {path} && mount -o remount,bind,ro {path} && exec \"$@\"");
    let by = [way, &["sh", "-ec", &script, "sh"]].concat();
    refused(&run(wrapped(&by, home.path(), &args(path))).await, 77, "read-only file system");
    assert!(before == contents(data.path()));
    works(data.path()).await;
}

#[tokio::test]
async fn a_full_disk_is_said_before_anything_is_written() {
    let Some(way) = namespace().await else { return };
    let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = data.path().to_str().unwrap();
    // Looked at where it is mounted: outside of the namespace there is nothing.
    let script = format!(
        "mount -t tmpfs -o size=8m tmpfs {path}; code=0; \"$@\" || code=$?; ls -A {path} >&2; exit $code"
    );
    let by = [way, &["sh", "-ec", &script, "sh"]].concat();
    let ran = run(wrapped(&by, home.path(), &args(path))).await;
    refused(&ran, 74, "not enough space");
    for written in ["claw.db", "format", "token", "keys", "host"] {
        assert!(!ran.stderr.lines().any(|line| line == written), "{written}: {ran:?}");
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_refuses_what_it_cannot_keep_and_recovers() {
    let Some(way) = namespace().await else { return };
    let (data, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = data.path().to_str().unwrap();
    let cache = home.path().join("host");
    prepare(&cache);
    let script = format!(
        "mount -t tmpfs -o size=64m tmpfs {path} && mkdir {path}/host && cp -d {}/cache {path}/host/ && exec \"$@\"",
        cache.display()
    );
    let by = [way, &["sh", "-ec", &script, "sh"]].concat();
    let server = Server::start(wrapped(&by, home.path(), &args(path))).await;
    let cloud = server.client.clone();
    let kept = cloud.spawn(json!({ "image": "hello", "name": "kept" })).await;

    let mut terminal = cloud.terminal(&kept).await;
    terminal.wait("> ").await;
    let filler = format!("/proc/{}/root{path}/filler", server.pid());
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    // A few rows still fit into pages that the log has already.
    let mut refused = None;
    for _ in 0..200 {
        let answer = cloud.call(Method::POST, "/v1/agents/spawn", &json!({ "image": "hello" })).await;
        if answer.0 != StatusCode::ACCEPTED {
            refused = Some(answer);
            break;
        }
    }
    let (status, problem) = refused.expect("a full disk takes two hundred agents");
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    assert_eq!(problem["retryable"], true);
    assert_eq!(cloud.agent(&kept).await.status, Status::Running, "reads and agents go on");
    let body = vec![2; 64 * 1024];
    let write = cloud.request(Method::PUT, &format!("/v1/agents/{}/files/a", kept.id)).body(body);
    let write = write.send().await.unwrap();
    assert_eq!(write.status(), StatusCode::SERVICE_UNAVAILABLE, "{:?}", write.text().await);
    // That a ticket is used up has to be written down, so no new socket; those that are open go on.
    assert_eq!(cloud.socket(&kept, Role::Operator).await.wait_close().await, close::MOVING);
    terminal.run("still here").await;
    terminal.wait("You said: still here").await;

    fs::remove_file(&filler).unwrap();
    drop(file);
    let after = cloud.spawn(json!({ "image": "hello", "name": "after" })).await;
    assert_eq!(after.status, Status::Running);
    server.stop().await;
}
