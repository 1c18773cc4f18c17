//! The host's own calls: listings, ranges, and writes that are whole or not at all.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wire::file::{ByteRange, FileKind};

use super::*;
use crate::workspace::WorkspaceError;

fn body(pieces: &[&'static [u8]]) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter(pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect::<Vec<_>>())
}

async fn content(workspace: &Workspace, path: &str) -> Vec<u8> {
    workspace.read(path, None).await.unwrap().into_bytes(u64::MAX).await.unwrap().to_vec()
}

#[tokio::test]
async fn what_is_written_is_read() {
    let (dir, workspace) = fresh(ROOMY);
    let entry = workspace.write("a/b/f", body(&[b"hello ", b"world"])).await.unwrap();
    assert_eq!((entry.path.as_str(), entry.kind, entry.size_bytes), ("a/b/f", FileKind::File, 11));
    assert_eq!(workspace.entry("a/b/f").await.unwrap(), entry);
    assert_eq!(content(&workspace, "a/b/f").await, b"hello world");
    // The guest sees the same file.
    assert_eq!(Guest::of(&workspace).get("a/b/f").unwrap(), b"hello world");
    workspace.write("a/b/f", body(&[b"new"])).await.unwrap();
    assert_eq!(content(&workspace, "a/b/f").await, b"new");
    assert_eq!(workspace.usage(), Usage { bytes: 3, files: 3 });
    assert_eq!(workspace.usage(), on_disk(dir.path()));
    assert!(matches!(workspace.delete("a").await, Err(WorkspaceError::NotEmpty)));
    for path in ["a/b/f", "a/b", "a"] {
        workspace.delete(path).await.unwrap();
    }
    assert!(matches!(workspace.delete("a").await, Err(WorkspaceError::NotFound)));
    assert_eq!(workspace.usage(), Usage::default());
}

#[tokio::test]
async fn ranges_are_parts() {
    let (_dir, workspace) = fresh(ROOMY);
    workspace.write("f", body(&[b"0123456789"])).await.unwrap();
    workspace.write("empty", body(&[])).await.unwrap();
    for (header, part) in [
        ("bytes=0-0", "0"),
        ("bytes=2-4", "234"),
        ("bytes=7-", "789"),
        ("bytes=8-100", "89"),
        ("bytes=-3", "789"),
        ("bytes=-100", "0123456789"),
        ("bytes=5-18446744073709551615", "56789"),
    ] {
        let reading = workspace.read("f", ByteRange::parse(header)).await.unwrap();
        assert_eq!(reading.entry().size_bytes, 10);
        assert_eq!(reading.range().end - reading.range().start, part.len() as u64);
        let pieces: Vec<Bytes> = reading.into_stream().try_collect().await.unwrap();
        assert_eq!(pieces.concat(), part.as_bytes(), "{header}");
    }
    for header in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
        let refused = workspace.read("f", ByteRange::parse(header)).await;
        assert!(matches!(refused, Err(WorkspaceError::Range { size: 10 })), "{header}");
    }
    for header in ["bytes=4-2", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=+1-2", "bytes=-", "bytes=1"]
    {
        assert_eq!(ByteRange::parse(header), None, "{header}");
    }
    assert_eq!(content(&workspace, "empty").await, b"");
    let refused = workspace.read("empty", ByteRange::parse("bytes=0-0")).await;
    assert!(matches!(refused, Err(WorkspaceError::Range { size: 0 })));
}

#[tokio::test]
async fn an_upload_is_whole_or_nothing() {
    let (dir, workspace) = fresh(Quota { bytes: 100, files: 10 });
    workspace.write("f", body(&[b"old"])).await.unwrap();
    // Its source fails in the middle.
    let broken = stream::iter([Ok(Bytes::from_static(b"ne")), Err(std::io::Error::other("gone"))]);
    assert!(matches!(workspace.write("f", broken).await, Err(WorkspaceError::Body(_))));
    // The quota ends in the middle.
    let large = stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"))));
    assert!(matches!(workspace.write("f", large).await, Err(WorkspaceError::NoSpace { quota: 100 })));
    assert_eq!(content(&workspace, "f").await, b"old");
    assert_eq!(workspace.usage(), Usage { bytes: 3, files: 1 });
    // Until it is complete nobody sees it, and its bytes count.
    let mut upload = workspace.upload("d/g").unwrap();
    upload.write(b"12345").unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 8, files: 2 });
    assert_eq!(workspace.list("", None, 10).await.unwrap().entries.len(), 1);
    // A crash now: the next opening clears it away.
    std::mem::forget(upload);
    assert_eq!(std::fs::read_dir(dir.path().join("incoming")).unwrap().count(), 1);
    let again = Workspace::open(dir.path(), workspace.quota()).unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
    assert_eq!(again.usage(), Usage { bytes: 3, files: 1 });
}

#[tokio::test]
async fn an_upload_that_is_dropped_midway_leaves_nothing() {
    let (dir, workspace) = fresh(ROOMY);
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = tokio_stream::wrappers::ReceiverStream::new(receive);
    let writing = tokio::spawn({
        let workspace = workspace.clone();
        async move { workspace.write("f", body).await }
    });
    // The second is accepted once the first has been taken.
    send.send(Ok(Bytes::from_static(b"123"))).await.unwrap();
    send.send(Ok(Bytes::from_static(b"456"))).await.unwrap();
    writing.abort();
    assert!(writing.await.unwrap_err().is_cancelled());
    // A piece on its way to the disk finishes first.
    while workspace.usage() != Usage::default() {
        tokio::task::yield_now().await;
    }
    assert_eq!(std::fs::read_dir(dir.path().join("incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_reader_keeps_the_file_it_opened() {
    let (_dir, workspace) = fresh(ROOMY);
    workspace.write("f", body(&[b"old"])).await.unwrap();
    let reading = workspace.read("f", None).await.unwrap();
    workspace.write("f", body(&[b"longer"])).await.unwrap();
    assert_eq!(workspace.usage(), Usage { bytes: 9, files: 2 });
    assert_eq!(reading.into_bytes(10).await.unwrap(), "old");
    assert_eq!(workspace.usage(), Usage { bytes: 6, files: 1 });
    // One that is cut while it is read ends in an error, not in a shorter file.
    let reading = workspace.read("f", None).await.unwrap();
    let mut guest = Guest::of(&workspace);
    let fd = guest.open("f", OpenFlags::TRUNCATE, WRITE).unwrap();
    guest.close(fd);
    let pieces: Vec<_> = reading.into_stream().collect().await;
    assert!(matches!(pieces[..], [Err(WorkspaceError::Disk(_))]));
    assert!(matches!(workspace.read("f", None).await.unwrap().into_bytes(0).await.as_deref(), Ok([])));
}

#[tokio::test]
async fn paths_are_plain() {
    let (dir, workspace) = fresh(ROOMY);
    workspace.write("d/f", body(&[b"x"])).await.unwrap();
    for path in ["", "/", "/d", "d/", "d//f", "../x", "d/../f", "./d", ".", "a\0b"] {
        assert!(
            matches!(workspace.write(path, body(&[])).await, Err(WorkspaceError::InvalidPath)),
            "{path:?}"
        );
        assert!(matches!(workspace.read(path, None).await, Err(WorkspaceError::InvalidPath)), "{path:?}");
        assert!(matches!(workspace.delete(path).await, Err(WorkspaceError::InvalidPath)), "{path:?}");
        assert!(matches!(workspace.entry(path).await, Err(WorkspaceError::InvalidPath)), "{path:?}");
    }
    let long = "n".repeat(256);
    assert!(matches!(workspace.write(&long, body(&[])).await, Err(WorkspaceError::NameTooLong)));
    assert!(matches!(workspace.write("d", body(&[])).await, Err(WorkspaceError::IsDirectory)));
    assert!(matches!(workspace.write("d/f/g", body(&[])).await, Err(WorkspaceError::NotDirectory)));
    assert!(matches!(workspace.read("d", None).await, Err(WorkspaceError::IsDirectory)));
    assert!(matches!(workspace.read("g", None).await, Err(WorkspaceError::NotFound)));
    let mut guest = Guest::of(&workspace);
    guest.symlink("../..", "out").unwrap();
    assert!(matches!(workspace.write("out/x", body(&[])).await, Err(WorkspaceError::Outside)));
    assert!(matches!(workspace.read("out/x", None).await, Err(WorkspaceError::Outside)));
    assert!(matches!(workspace.list("out/", None, 10).await, Err(WorkspaceError::Outside)));
    // A link of the name that is written is replaced; where it led is left alone.
    guest.symlink("d/f", "l").unwrap();
    assert_eq!(content(&workspace, "l").await, b"x");
    assert_eq!(workspace.entry("l").await.unwrap().kind, FileKind::Symlink);
    workspace.write("l", body(&[b"mine"])).await.unwrap();
    assert_eq!(content(&workspace, "d/f").await, b"x");
    assert_eq!(workspace.usage(), on_disk(dir.path()));
}

fn names(listing: &crate::workspace::Listing) -> Vec<&str> {
    listing.entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[tokio::test]
async fn a_listing_is_in_order_and_by_prefix() {
    let (_dir, workspace) = fresh(ROOMY);
    for path in ["b", "a/x", "a/y/z", "a.txt", "a-b", "ab/c"] {
        workspace.write(path, body(&[b"1"])).await.unwrap();
    }
    Guest::of(&workspace).symlink("a", "link").unwrap();
    let all = workspace.list("", None, 100).await.unwrap();
    let order = ["a", "a/x", "a/y", "a/y/z", "a-b", "a.txt", "ab", "ab/c", "b", "link"];
    assert_eq!(names(&all), order);
    assert_eq!(all.next_cursor, None);
    assert_eq!(all.entries[0].kind, FileKind::Directory);
    assert_eq!(all.entries[0].size_bytes, 0);
    assert_eq!(all.entries[9].kind, FileKind::Symlink);
    for (prefix, expected) in [
        ("a", &order[..8]),
        ("a/", &order[1..4]),
        ("a/y", &order[2..4]),
        ("ab", &order[6..8]),
        ("a/y/z", &order[3..4]),
        ("link/", &["link/x", "link/y", "link/y/z"]),
        ("c", &[]),
        ("c/d", &[]),
        ("b/", &[]),
    ] {
        let listing = workspace.list(prefix, None, 100).await.unwrap();
        assert_eq!(names(&listing), expected, "{prefix}");
        // Page by page it is the same.
        for limit in 1..4 {
            let (mut pages, mut cursor) = (Vec::new(), None);
            loop {
                let page = workspace.list(prefix, cursor.as_deref(), limit).await.unwrap();
                assert!(page.entries.len() <= limit);
                pages.extend(page.entries);
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(pages, listing.entries, "{prefix} by {limit}");
        }
    }
    assert!(matches!(workspace.list("a//", None, 1).await, Err(WorkspaceError::InvalidPath)));
    assert!(matches!(workspace.list("a/", Some("b"), 1).await, Err(WorkspaceError::InvalidPath)));
    // A cursor whose entry is gone is still a place.
    let page = workspace.list("", Some("a/xx"), 1).await.unwrap();
    assert_eq!(names(&page), ["a/y"]);
}

#[tokio::test]
async fn a_large_directory_is_listed_whole() {
    let (_dir, workspace) = fresh(Quota { bytes: 0, files: 3000 });
    let mut guest = Guest::of(&workspace);
    for n in 0..2500 {
        guest.put(&format!("{n:04}"), b"").unwrap();
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = workspace.list("", cursor.as_deref(), usize::MAX).await.unwrap();
        seen.extend(page.entries.into_iter().map(|entry| entry.path));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..2500).map(|n| format!("{n:04}")).collect::<Vec<_>>());
}
