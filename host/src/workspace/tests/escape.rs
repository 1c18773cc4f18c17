//! No path, link, rename or special file leads out of a workspace.

use std::os::unix::fs::symlink;

use super::*;
use crate::bindings::filesystem::wasi::filesystem::types::DescriptorType;

/// A workspace beside a secret, and with links to it that no guest could have made.
fn beside_a_secret() -> (TempDir, Workspace) {
    let (dir, workspace) = fresh(ROOMY);
    std::fs::write(dir.path().join("secret"), "s").unwrap();
    std::fs::create_dir(dir.path().join("outside")).unwrap();
    let work = dir.path().join("work");
    symlink("../secret", work.join("up")).unwrap();
    symlink(dir.path().join("secret"), work.join("absolute")).unwrap();
    symlink("../outside", work.join("dir")).unwrap();
    symlink("up", work.join("chain")).unwrap();
    drop(workspace);
    let workspace = Workspace::open(dir.path(), ROOMY).unwrap();
    (dir, workspace)
}

#[test]
fn paths_and_links_stay_inside() {
    let (dir, workspace) = beside_a_secret();
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    for path in
        ["../secret", "d/../../secret", "/etc/passwd", "/", "..", "up", "chain", "absolute", "d/../up"]
    {
        assert_eq!(guest.get(path), Err(ErrorCode::NotPermitted), "get {path}");
        assert_eq!(guest.put(path, b"x"), Err(ErrorCode::NotPermitted), "put {path}");
        assert_eq!(
            guest.stat(path, PathFlags::SYMLINK_FOLLOW).err(),
            Some(ErrorCode::NotPermitted),
            "{path}"
        );
    }
    for path in ["../x", "dir/x", "d/../../outside/x", "/x"] {
        assert_eq!(guest.put(path, b"x"), Err(ErrorCode::NotPermitted), "put {path}");
        assert_eq!(guest.mkdir(path), Err(ErrorCode::NotPermitted), "mkdir {path}");
        assert_eq!(guest.symlink("d", path), Err(ErrorCode::NotPermitted), "symlink {path}");
        assert_eq!(guest.rename("d", path), Err(ErrorCode::NotPermitted), "rename {path}");
        assert_eq!(guest.rename(path, "y"), Err(ErrorCode::NotPermitted), "rename {path}");
        assert_eq!(guest.unlink(path), Err(ErrorCode::NotPermitted), "unlink {path}");
        assert_eq!(guest.rmdir(path), Err(ErrorCode::NotPermitted), "rmdir {path}");
    }
    assert_eq!(std::fs::read_to_string(dir.path().join("secret")).unwrap(), "s");
    assert_eq!(std::fs::read_dir(dir.path().join("outside")).unwrap().count(), 0);
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

#[test]
fn inside_is_allowed() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    guest.mkdir("d/e").unwrap();
    guest.put("d/f", b"x").unwrap();
    guest.symlink("../f", "d/e/l").unwrap();
    guest.symlink("d/e/l", "m").unwrap();
    assert_eq!(guest.get("m").unwrap(), b"x");
    assert_eq!(guest.get("d/e/../../d/./f").unwrap(), b"x");
    let work = guest.work();
    assert_eq!(coded(run(guest.view().readlink_at(work, "d/e/l".to_owned()))), Ok("../f".to_owned()));
    // Through a link the target is written; the link stays.
    guest.put("m", b"longer").unwrap();
    assert_eq!(guest.get("d/f").unwrap(), b"longer");
    let link = guest.stat("m", PathFlags::empty()).unwrap();
    assert_eq!(link.type_, DescriptorType::SymbolicLink);
}

#[test]
fn links_are_checked_when_made_and_when_followed() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    assert_eq!(guest.symlink("/etc/passwd", "l"), Err(ErrorCode::NotPermitted));
    assert_eq!(guest.symlink(&"x".repeat(5000), "l"), Err(ErrorCode::NameTooLong));
    // What it says is only text; following it is refused.
    guest.symlink("../../etc/passwd", "l").unwrap();
    assert_eq!(guest.get("l"), Err(ErrorCode::NotPermitted));
    guest.symlink("loop", "loop").unwrap();
    assert_eq!(guest.get("loop"), Err(ErrorCode::Loop));
    // A link that led inside where it was made leads nowhere where it is moved.
    guest.mkdir("d").unwrap();
    guest.symlink("../f", "d/l").unwrap();
    guest.put("f", b"x").unwrap();
    assert_eq!(guest.get("d/l").unwrap(), b"x");
    guest.rename("d/l", "moved").unwrap();
    assert_eq!(guest.get("moved"), Err(ErrorCode::NotPermitted));
}

#[test]
fn a_directory_that_moves_takes_its_bounds_along() {
    let (_dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("a").unwrap();
    guest.mkdir("a/b").unwrap();
    let b = guest.open("a/b", OpenFlags::DIRECTORY, READ).unwrap();
    guest.rename("a/b", "b").unwrap();
    // A descriptor gives what is below it, whatever was above it.
    assert_eq!(
        guest.open_from(borrow(&b), "../a", OpenFlags::empty(), READ).err(),
        Some(ErrorCode::NotPermitted)
    );
    guest.open_from(borrow(&b), "f", OpenFlags::CREATE, WRITE).unwrap();
    assert_eq!(guest.get("b/f").unwrap(), b"");
    guest.unlink("b/f").unwrap();
    guest.rmdir("b").unwrap();
    assert_eq!(guest.open_from(b, "f", OpenFlags::CREATE, WRITE).err(), Some(ErrorCode::NoEntry));
    assert_eq!(workspace.usage().files, 2, "a, and nothing in what was removed");
}

#[test]
fn special_files_are_listed_and_never_opened() {
    let (dir, workspace) = fresh(ROOMY);
    let pipe = dir.path().join("work/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("work/socket")).unwrap();
    drop(workspace);
    let workspace = Workspace::open(dir.path(), ROOMY).unwrap();
    let mut guest = Guest::of(&workspace);
    for path in ["pipe", "socket"] {
        // None of these waits for somebody at the other end.
        for flags in [READ, WRITE, READ | WRITE] {
            let opened = guest.open(path, OpenFlags::empty(), flags);
            assert_eq!(opened.err(), Some(ErrorCode::NotPermitted), "{path}");
        }
        assert_eq!(guest.put(path, b"x"), Err(ErrorCode::NotPermitted));
    }
    let work = guest.work();
    assert_eq!(guest.names(work).unwrap(), ["pipe", "socket"]);
    guest.unlink("pipe").unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 0, files: 1 });
}

#[test]
fn two_workspaces_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let one = Workspace::open(&dir.path().join("one"), ROOMY).unwrap();
    let two = Workspace::open(&dir.path().join("two"), ROOMY).unwrap();
    let (mut a, mut b) = (Guest::of(&one), Guest::of(&two));
    b.put("f", b"theirs").unwrap();
    for path in ["../../two/work/f", "../two/work/f"] {
        assert_eq!(a.get(path), Err(ErrorCode::NotPermitted));
        assert_eq!(a.rename(path, "f"), Err(ErrorCode::NotPermitted));
        a.symlink(path, "l").unwrap();
        assert_eq!(a.get("l"), Err(ErrorCode::NotPermitted));
        a.unlink("l").unwrap();
    }
    assert_eq!(a.get("f"), Err(ErrorCode::NoEntry));
    assert_eq!((one.usage().files, two.usage().files), (0, 1));
    // A handle of one store means nothing, or something of its own, in another.
    let fd = b.open("f", OpenFlags::empty(), READ).unwrap();
    let stray = run(a.view().read(borrow(&fd), 10, 0));
    assert!(matches!(stray, Err(FsError::Trap(_))));
}
