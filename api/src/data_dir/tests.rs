use std::{fs, io, os::unix::fs::PermissionsExt as _};

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_is_made_private_and_opens_again() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/b");
    let first = DataDir::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(fs::read_to_string(path.join("format")).unwrap(), "1\n");
    let key = first.secret_key("ticket").unwrap();
    drop(first);
    let second = DataDir::open(&path).unwrap();
    assert_eq!(second.secret_key("ticket").unwrap(), key);
    assert_ne!(second.secret_key("fleet").unwrap(), key);
    assert_eq!(mode(&path.join("keys/ticket")), 0o600);
    assert_eq!(mode(&path.join("keys")), 0o700);
}

#[test]
fn a_second_one_is_told_who_has_it() {
    let parent = tempfile::tempdir().unwrap();
    let first = DataDir::open(parent.path()).unwrap();
    let error = DataDir::open(parent.path()).unwrap_err();
    assert!(matches!(error, DataDirError::Locked { process: Some(id), .. } if id == std::process::id()));
    assert_eq!(error.exit_code(), 75);
    assert!(error.to_string().contains("in use"));
    drop(first);
    DataDir::open(parent.path()).unwrap();
}

#[test]
fn a_newer_or_damaged_format_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let format = parent.path().join("format");
    for (text, is_newer) in [("2\n", true), ("4000000000", true), ("0", false), ("", false), ("one", false)] {
        fs::write(&format, text).unwrap();
        let error = DataDir::open(parent.path()).unwrap_err();
        assert_eq!(matches!(error, DataDirError::Newer { supported: FORMAT, .. }), is_newer, "{text}");
        assert_eq!(matches!(error, DataDirError::Corrupt { .. }), !is_newer, "{text}");
        assert_eq!(error.exit_code(), 65);
        assert_eq!(fs::read_to_string(&format).unwrap(), text);
    }
    fs::write(&format, [0xff, 0xfe]).unwrap();
    assert!(matches!(DataDir::open(parent.path()), Err(DataDirError::Corrupt { .. })));
}

#[test]
fn a_damaged_key_is_said_and_not_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let dir = DataDir::open(parent.path()).unwrap();
    let key = parent.path().join("keys/ticket");
    dir.secret_key("ticket").unwrap();
    for bytes in [31, 33, 1000] {
        fs::write(&key, vec![7; bytes]).unwrap();
        assert!(matches!(dir.secret_key("ticket"), Err(DataDirError::Corrupt { .. })), "{bytes}");
        assert_eq!(fs::read(&key).unwrap().len(), bytes);
    }
}

#[test]
fn a_key_half_written_by_a_crash_is_made_anew() {
    let parent = tempfile::tempdir().unwrap();
    let dir = DataDir::open(parent.path()).unwrap();
    fs::create_dir(parent.path().join("keys")).unwrap();
    fs::write(parent.path().join("keys/.ticket.new"), [1, 2, 3]).unwrap();
    let key = dir.secret_key("ticket").unwrap();
    assert_eq!(dir.secret_key("ticket").unwrap(), key);
    assert!(!parent.path().join("keys/.ticket.new").exists());
}

#[test]
fn a_file_in_the_way_is_said() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("file");
    fs::write(&path, "mine").unwrap();
    for path in [path.clone(), path.join("below")] {
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(error, DataDirError::NotADirectory { .. }), "{error:?}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn a_place_nobody_may_write_is_a_matter_of_permission() {
    // Not even root makes directories in sysfs, wherever it is mounted and however.
    let error = DataDir::open(Path::new("/sys/kernel/claw")).unwrap_err();
    assert!(matches!(error, DataDirError::Permission { .. } | DataDirError::ReadOnly { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 77);
}

#[test]
fn little_space_is_refused_with_the_number() {
    let path = Path::new("/data");
    assert!(check_space(path, MIN_FREE_BYTES).is_ok());
    let error = check_space(path, MIN_FREE_BYTES - 1).unwrap_err();
    assert!(error.to_string().contains("16777215 bytes are free"), "{error}");
    assert_eq!(error.exit_code(), 74);
}

#[test]
fn errors_of_the_system_are_sorted_by_what_to_do() {
    use rustix::io::Errno;
    let exit = |errno: Errno| DataDirError::io(Path::new("x"), io::Error::from(errno)).exit_code();
    assert_eq!(exit(Errno::ROFS), 77);
    assert_eq!(exit(Errno::ACCESS), 77);
    assert_eq!(exit(Errno::NOSPC), 74);
    assert_eq!(exit(Errno::DQUOT), 74);
    assert_eq!(exit(Errno::IO), 74);
}
