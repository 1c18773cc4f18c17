use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _, sync::Arc};

use checkpoint::{DecodeError, Expect, Pack, manifest::Tree, pack::MAX_PACK_BYTES};
use depot::{Depot, DepotError, OpenError, Patience};
use object_store::memory::InMemory;
use wire::{Digest, PackId};

use crate::support::{contents, kept, pack};

/// Runs a test over every kind of store there is.
async fn each<F: Future<Output = ()>>(test: impl Fn(Depot) -> F) {
    let dir = tempfile::tempdir().unwrap();
    test(Depot::local(&dir.path().join("depot")).unwrap()).await;
    test(Depot::with_store(Arc::new(InMemory::new()), Patience::default())).await;
}

#[tokio::test]
async fn what_is_put_is_there() {
    each(|depot| async move {
        let (one, two) = (pack(1), pack(2));
        depot.put(one.0).await.unwrap();
        depot.put(two.0).await.unwrap();
        // From two packs, mixed, one of them twice.
        let refs = [two.1[4], one.1[1], two.1[0], one.1[0], one.1[2], two.1[1], one.1[3], one.1[0]];
        let (a, b) = (contents(1), contents(2));
        let expected = [&b[4], &a[1], &b[0], &a[0], &a[2], &b[1], &a[3], &a[0]];
        for _ in 0..2 {
            let read = depot.chunks(&refs).await.unwrap();
            assert!(read.iter().zip(expected).all(|(read, expected)| read[..] == expected[..]));
        }
        assert_eq!(depot.chunks(&[]).await.unwrap().len(), 0);
        let counts = depot.counts();
        // The second time only what is too long for the cache is read.
        assert_eq!((counts.puts, counts.gets, counts.failures), (2, 3, 0), "{counts:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_kept_at_hand_is_not_asked_of_the_store() {
    each(|depot| async move {
        let (_, chunks) = pack(1);
        let kept: Vec<_> =
            chunks.iter().copied().zip(contents(1).into_iter().map(Into::into)).take(2).collect();
        // The pack is in no store.
        assert!(matches!(depot.chunks(&chunks[..2]).await, Err(DepotError::Missing { .. })));
        depot.keep(&kept);
        let read = depot.chunks(&chunks[..2]).await.unwrap();
        assert!(read.iter().zip(contents(1)).all(|(read, expected)| read[..] == expected[..]));
    })
    .await;
}

#[tokio::test]
async fn a_directory_has_a_place_for_every_pack_before_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::local(dir.path()).unwrap();
    let places = || std::fs::read_dir(dir.path().join("packs")).unwrap().count();
    assert_eq!(places(), 1024);
    for n in 0..50 {
        depot.put(pack(n).0).await.unwrap();
    }
    assert_eq!(places(), 1024);
}

#[tokio::test]
async fn a_checkpoint_and_its_tree_come_back() {
    each(|depot| async move {
        let (pack, checkpoint, at) = kept();
        depot.put(pack).await.unwrap();
        let right = Expect { agent: Some(checkpoint.agent), ..Expect::default() };
        let read = depot.manifest(&at, &right).await.unwrap();
        assert_eq!(read, checkpoint);
        assert_eq!(depot.tree(&read.tree.unwrap()).await.unwrap(), Tree::default());

        let wrong = Expect { max_epoch: Some(0), ..Expect::default() };
        let refused = depot.manifest(&at, &wrong).await.unwrap_err();
        assert!(matches!(refused, DepotError::Refused { why: DecodeError::Wrong { what: "epoch" }, .. }));
        let mut other = at.clone();
        other.id = wire::CheckpointId::new();
        let refused = depot.manifest(&other, &right).await.unwrap_err();
        assert!(matches!(
            refused,
            DepotError::Refused { why: DecodeError::Wrong { what: "checkpoint" }, .. }
        ));
        // A forged reference: other bytes, none, or more than anyone has.
        let mut other = at.clone();
        other.offset -= 1;
        assert!(matches!(depot.manifest(&other, &right).await, Err(DepotError::Corrupt { .. })));
        (other.offset, other.length) = (1 << 40, 1);
        assert!(matches!(depot.manifest(&other, &right).await, Err(DepotError::Corrupt { .. })));
        (other.offset, other.length) = (0, u32::MAX);
        assert!(matches!(depot.manifest(&other, &right).await, Err(DepotError::TooLarge { .. })));
    })
    .await;
}

#[tokio::test]
async fn the_same_pack_may_be_put_again_and_another_may_not() {
    each(|depot| async move {
        let (pack, _) = pack(1);
        depot.put(pack.clone()).await.unwrap();
        depot.put(pack.clone()).await.unwrap();
        for bytes in [
            pack.bytes.slice(1..),
            [&pack.bytes[..], b"more"].concat().into(),
            vec![0; pack.bytes.len()].into(),
        ] {
            let error = depot.put(Pack { id: pack.id, bytes }).await.unwrap_err();
            assert!(matches!(error, DepotError::Corrupt { .. }), "{error}");
        }
        let bytes = vec![0; MAX_PACK_BYTES + 1].into();
        let error = depot.put(Pack { id: PackId::new(), bytes }).await.unwrap_err();
        assert!(matches!(error, DepotError::TooLarge { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn many_put_at_the_same_time() {
    each(|depot| async move {
        let (shared, chunks) = pack(1);
        let mut puts = tokio::task::JoinSet::new();
        for n in 0..16 {
            let (depot, shared) = (depot.clone(), shared.clone());
            puts.spawn(async move { depot.put(if n % 2 == 0 { shared } else { pack(n).0 }).await });
        }
        while let Some(put) = puts.join_next().await {
            put.unwrap().unwrap();
        }
        assert_eq!(depot.chunks(&chunks).await.unwrap().len(), chunks.len());
        assert_eq!(depot.list(None, 100).await.unwrap().len(), 9);
    })
    .await;
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    each(|depot| async move {
        let (one, chunks) = pack(1);
        let id = one.id;
        depot.put(one).await.unwrap();
        depot.delete(id).await.unwrap();
        depot.delete(id).await.unwrap();
        let error = depot.chunks(&chunks).await.unwrap_err();
        assert_eq!(error, DepotError::Missing { what: id.to_string() });
        assert!(depot.counts().deletes >= 1);
        assert_eq!(depot.list(None, 10).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_listing_comes_in_parts() {
    each(|depot| async move {
        let mut put = BTreeSet::new();
        for n in 0..25 {
            let (pack, _) = pack(n);
            put.insert((pack.id, pack.bytes.len() as u64));
            depot.put(pack).await.unwrap();
        }
        depot
            .put_image(&Digest::from_bytes(checkpoint::hash(b"wasm")), b"wasm".to_vec().into())
            .await
            .unwrap();
        let (mut found, mut after) = (BTreeSet::new(), None);
        loop {
            let listed = depot.list(after, 10).await.unwrap();
            found.extend(listed.iter().map(|listed| (listed.id, listed.bytes)));
            after = listed.last().map(|listed| listed.id);
            if listed.len() < 10 {
                break;
            }
        }
        assert_eq!(found, put);
        assert_eq!(depot.list(None, 0).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_component_comes_back_under_its_digest() {
    each(|depot| async move {
        let bytes = vec![7; 300_000];
        let digest = Digest::from_bytes(checkpoint::hash(&bytes));
        assert!(matches!(depot.image(&digest, 1 << 20).await, Err(DepotError::Missing { .. })));
        depot.put_image(&digest, bytes.clone().into()).await.unwrap();
        depot.put_image(&digest, bytes.clone().into()).await.unwrap();
        assert_eq!(depot.counts().puts, 1);
        assert_eq!(depot.image(&digest, 1 << 20).await.unwrap(), bytes);
        assert!(matches!(depot.image(&digest, 1000).await, Err(DepotError::TooLarge { bytes: 300_000, .. })));
        let other = Digest::from_bytes(checkpoint::hash(b"other"));
        depot.put_image(&other, bytes.into()).await.unwrap();
        assert!(matches!(depot.image(&other, 1 << 20).await, Err(DepotError::Corrupt { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_directory_is_for_its_owner_and_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("a/b");
    let url = format!("file://{}", at.display());
    let (one, chunks) = pack(1);
    let id = one.id;
    Depot::open(&url).unwrap().put(one).await.unwrap();
    assert_eq!(std::fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o700);
    let again = Depot::open(&url).unwrap();
    assert_eq!(again.chunks(&chunks).await.unwrap()[0], contents(1)[0]);
    let text = id.to_string();
    assert!(at.join("packs").join(&text[14..16]).join(&text).is_file());
    assert!(matches!(Depot::open("ftp://x"), Err(OpenError::Url { .. })));
    std::fs::write(dir.path().join("file"), b"").unwrap();
    assert!(matches!(Depot::local(&dir.path().join("file")), Err(OpenError::Directory { .. })));
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (one, _) = pack(1);
    let text = one.id.to_string();
    Depot::local(dir.path()).unwrap().put(one).await.unwrap();
    let place = dir.path().join("packs").join(&text[14..16]);
    let (old, new) = (place.join(format!("{text}#1")), place.join(format!("{text}#2")));
    std::fs::write(&old, b"half").unwrap();
    std::fs::write(&new, b"half").unwrap();
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(hours_ago).unwrap();
    let again = Depot::local(dir.path()).unwrap();
    assert!(!old.exists() && new.exists());
    assert_eq!(again.list(None, 10).await.unwrap().len(), 1, "what has no name yet is not listed");
}

#[tokio::test]
async fn damage_on_the_disk_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (one, chunks) = pack(1);
    let text = one.id.to_string();
    let bytes = one.bytes.to_vec();
    Depot::local(dir.path()).unwrap().put(one).await.unwrap();
    let file = dir.path().join("packs").join(&text[14..16]).join(&text);
    let fresh = || Depot::local(dir.path()).unwrap();
    let mut flipped = bytes.clone();
    flipped[usize::try_from(chunks[1].offset).unwrap()] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    let error = fresh().chunks(&chunks).await.unwrap_err();
    assert!(matches!(&error, DepotError::Corrupt { what, .. } if *what == text), "{error}");
    std::fs::write(&file, &bytes[..usize::try_from(chunks[1].offset).unwrap() + 5]).unwrap();
    let error = fresh().chunks(&chunks).await.unwrap_err();
    assert!(matches!(&error, DepotError::Corrupt { .. }), "{error}");
    assert_eq!(fresh().chunks(&chunks[..1]).await.unwrap()[0], contents(1)[0], "what is whole is read");
}
