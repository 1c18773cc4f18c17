//! Bytes and entries: exact after any history, and never over.

use proptest::prelude::*;

use super::*;

#[test]
fn bytes_end_at_the_quota() {
    let (dir, workspace) = fresh(Quota { bytes: 10, files: 10 });
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    assert_eq!(guest.write(&fd, 0, b"1234567"), Ok(7));
    // Cut to what fits, then refused.
    assert_eq!(guest.write(&fd, 7, b"89abc"), Ok(3));
    assert_eq!(guest.write(&fd, 10, b"d"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(on_disk(dir.path()).bytes, 10);
    // What is there can be written over, and what is cut off can be written again.
    assert_eq!(guest.write(&fd, 0, b"abcdefghij"), Ok(10));
    guest.set_size(&fd, 4).unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 4, files: 1 });
    assert_eq!(guest.write(&fd, 4, b"123456"), Ok(6));
    assert_eq!(guest.put("g", b"x"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

#[test]
fn holes_are_paid_for() {
    let (dir, workspace) = fresh(Quota { bytes: 100, files: 10 });
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    assert_eq!(guest.set_size(&fd, 101), Err(ErrorCode::InsufficientSpace));
    assert_eq!(guest.write(&fd, 100, b"x"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(guest.write(&fd, u64::MAX, b"x"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(guest.set_size(&fd, u64::MAX), Err(ErrorCode::FileTooLarge));
    assert_eq!(guest.write(&fd, 98, b"xyz"), Ok(2));
    assert_eq!(workspace.usage(), Usage { bytes: 100, files: 1 });
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

#[test]
fn a_stream_writes_whole_pieces() {
    let (_dir, workspace) = fresh(Quota { bytes: 10, files: 10 });
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    guest.stream(&fd, Some(0), &[b"1234", b"5678"]).unwrap();
    assert_eq!(guest.stream(&fd, None, &[b"9ab"]), Err(ErrorCode::InsufficientSpace));
    assert_eq!(guest.get("f").unwrap(), b"12345678");
    guest.stream(&fd, None, &[b"9a"]).unwrap();
    // Full: said when the stream is opened, because libc hides what happens later.
    let refused = guest.view().append_via_stream(borrow(&fd));
    assert_eq!(coded(refused).err(), Some(ErrorCode::InsufficientSpace));
    guest.stream(&fd, Some(0), &[b"abc"]).unwrap();
    assert_eq!(guest.get("f").unwrap(), b"abc456789a");
}

#[test]
fn entries_of_every_kind_count() {
    let (dir, workspace) = fresh(Quota { bytes: 100, files: 3 });
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    guest.put("d/f", b"x").unwrap();
    guest.symlink("f", "d/l").unwrap();
    assert_eq!(guest.put("g", b"").err(), Some(ErrorCode::InsufficientSpace));
    assert_eq!(guest.mkdir("e"), Err(ErrorCode::InsufficientSpace));
    assert_eq!(guest.symlink("f", "l"), Err(ErrorCode::InsufficientSpace));
    // A name that is taken is said to be, full or not.
    assert_eq!(guest.mkdir("d"), Err(ErrorCode::Exist));
    let exclusive = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    assert_eq!(guest.open("d/f", exclusive, WRITE).err(), Some(ErrorCode::Exist));
    assert_eq!(workspace.usage(), on_disk(dir.path()));
    guest.unlink("d/l").unwrap();
    guest.unlink("d/f").unwrap();
    guest.rmdir("d").unwrap();
    assert_eq!(workspace.usage(), Usage::default());
}

#[test]
fn a_deleted_file_counts_until_it_is_closed() {
    let (_dir, workspace) = fresh(Quota { bytes: 10, files: 10 });
    let mut guest = Guest::of(&workspace);
    let fd = guest.create("f").unwrap();
    let again = guest.open("f", OpenFlags::empty(), READ).unwrap();
    guest.write(&fd, 0, b"123456").unwrap();
    guest.unlink("f").unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 6, files: 1 });
    // It can still grow, within the quota.
    assert_eq!(guest.write(&fd, 6, b"789abc"), Ok(4));
    guest.close(fd);
    assert_eq!(workspace.usage(), Usage { bytes: 10, files: 1 });
    guest.close(again);
    assert_eq!(workspace.usage(), Usage::default());
}

#[test]
fn a_rename_releases_what_it_replaces() {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.put("a", b"12345").unwrap();
    guest.put("b", b"123").unwrap();
    guest.rename("a", "b").unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 5, files: 1 });
    guest.rename("b", "b").unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 5, files: 1 });
    guest.mkdir("d").unwrap();
    guest.mkdir("e").unwrap();
    guest.rename("d", "e").unwrap();
    assert_eq!(guest.rename("b", "e"), Err(ErrorCode::IsDirectory));
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

#[test]
fn what_was_there_counts_and_may_be_too_much() {
    let (dir, workspace) = fresh(ROOMY);
    let mut guest = Guest::of(&workspace);
    guest.mkdir("d").unwrap();
    guest.put("d/f", &[1; 1000]).unwrap();
    let usage = workspace.usage();
    drop((guest, workspace));
    let workspace = Workspace::open(dir.path(), Quota { bytes: 500, files: 1 }).unwrap();
    assert_eq!(workspace.usage(), usage);
    let mut guest = Guest::of(&workspace);
    assert_eq!(guest.put("g", b""), Err(ErrorCode::InsufficientSpace));
    let fd = guest.open("d/f", OpenFlags::empty(), WRITE).unwrap();
    assert_eq!(guest.write(&fd, 1000, b"x"), Err(ErrorCode::InsufficientSpace));
    guest.set_size(&fd, 100).unwrap();
    assert_eq!(guest.write(&fd, 100, b"x"), Ok(1));
}

/// One call of the guest or of the host; most histories have many that are refused.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write { path: String, offset: u16, len: u16 },
    Append { path: String, len: u16 },
    SetSize { path: String, size: u16 },
    Truncate(String),
    Hold(String),
    CloseAll,
    Mkdir(String),
    Rmdir(String),
    Unlink(String),
    Rename(String, String),
    Symlink(String, String),
    Upload { path: String, len: u16, commit: bool },
}

pub(super) fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|names| names.join("/"))
}

pub(super) fn steps() -> impl Strategy<Value = Step> {
    let len = 0_u16..600;
    prop_oneof![
        (paths(), len.clone(), len.clone()).prop_map(|(path, offset, len)| Step::Write { path, offset, len }),
        (paths(), len.clone()).prop_map(|(path, len)| Step::Append { path, len }),
        (paths(), len.clone()).prop_map(|(path, size)| Step::SetSize { path, size }),
        paths().prop_map(Step::Truncate),
        paths().prop_map(Step::Hold),
        Just(Step::CloseAll),
        paths().prop_map(Step::Mkdir),
        paths().prop_map(Step::Mkdir),
        paths().prop_map(Step::Rmdir),
        paths().prop_map(Step::Unlink),
        (paths(), paths()).prop_map(|(from, to)| Step::Rename(from, to)),
        (paths(), paths()).prop_map(|(target, path)| Step::Symlink(target, path)),
        (paths(), len, any::<bool>()).prop_map(|(path, len, commit)| Step::Upload { path, len, commit }),
    ]
}

/// Refusals are part of the history; what matters is the sum.
pub(super) fn take(guest: &mut Guest, held: &mut Vec<Fd>, step: &Step) {
    match step {
        Step::Write { path, offset, len } => {
            if let Ok(fd) = guest.create(path) {
                let _ = guest.write(&fd, u64::from(*offset), &vec![1; usize::from(*len)]);
                guest.close(fd);
            }
        }
        Step::Append { path, len } => {
            if let Ok(fd) = guest.create(path) {
                let _ = guest.stream(&fd, None, &[&vec![2; usize::from(*len)]]);
                guest.close(fd);
            }
        }
        Step::SetSize { path, size } => {
            if let Ok(fd) = guest.open(path, OpenFlags::empty(), WRITE) {
                let _ = guest.set_size(&fd, u64::from(*size));
                guest.close(fd);
            }
        }
        Step::Truncate(path) => {
            if let Ok(fd) = guest.open(path, OpenFlags::TRUNCATE, WRITE) {
                guest.close(fd);
            }
        }
        Step::Hold(path) => held.extend(guest.open(path, OpenFlags::empty(), READ | WRITE)),
        Step::CloseAll => held.drain(..).for_each(|fd| guest.close(fd)),
        Step::Mkdir(path) => drop(guest.mkdir(path)),
        Step::Rmdir(path) => drop(guest.rmdir(path)),
        Step::Unlink(path) => drop(guest.unlink(path)),
        Step::Rename(from, to) => drop(guest.rename(from, to)),
        Step::Symlink(target, path) => drop(guest.symlink(target, path)),
        Step::Upload { path, len, commit } => {
            let Ok(mut upload) = guest.workspace.upload(path) else { return };
            if upload.write(&vec![3; usize::from(*len)]).is_ok() && *commit {
                let _ = upload.commit();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_accounts_are_exact(steps in prop::collection::vec(steps(), 1..60)) {
        let quota = Quota { bytes: 2000, files: 8 };
        let (dir, workspace) = fresh(quota);
        let mut guest = Guest::of(&workspace);
        let mut held = Vec::new();
        for step in &steps {
            take(&mut guest, &mut held, step);
            let (usage, disk) = (workspace.usage(), on_disk(dir.path()));
            prop_assert!(usage.bytes <= quota.bytes && usage.files <= quota.files, "{usage:?} after {step:?}");
            // Only files that are deleted and open may make it more.
            prop_assert!(usage.bytes >= disk.bytes && usage.files >= disk.files, "{usage:?} after {step:?}");
            prop_assert!(!held.is_empty() || usage == disk, "{usage:?}, not {disk:?}, after {step:?}");
        }
        take(&mut guest, &mut held, &Step::CloseAll);
        prop_assert_eq!(workspace.usage(), on_disk(dir.path()));
        drop(guest);
        prop_assert_eq!(Workspace::open(dir.path(), quota).unwrap().usage(), workspace.usage());
    }
}

#[test]
fn many_threads_agree() {
    let (dir, workspace) = fresh(Quota { bytes: 40_000, files: 40 });
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let workspace = &workspace;
            scope.spawn(move || {
                let mut guest = Guest::of(workspace);
                for round in 0..200_u16 {
                    let path = format!("f{}", (round + u16::from(thread)) % 7);
                    match round % 4 {
                        0 => drop(guest.put(&path, &vec![thread; usize::from(round) * 50])),
                        1 => drop(guest.rename(&path, &format!("g{thread}"))),
                        2 => drop(guest.unlink(&path)),
                        _ => drop(workspace.upload(&path).and_then(|mut upload| {
                            upload.write(&vec![thread; 3000])?;
                            upload.commit()
                        })),
                    }
                    assert!(workspace.usage().bytes <= 40_000 && workspace.usage().files <= 40);
                }
            });
        }
    });
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}
