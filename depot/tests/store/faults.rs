//! The clock is tokio's, and stands while something runs.

use std::time::Duration;

use checkpoint::Expect;
use depot::{DepotError, faulty::Fault};
use tokio::time::Instant;

use crate::support::{contents, faulty, kept, pack};

#[tokio::test(start_paused = true)]
async fn a_short_failure_is_not_seen() {
    let (depot, faults, sound) = faulty();
    let (one, chunks) = pack(1);
    faults.next(Fault::Fail, 3);
    depot.put(one).await.unwrap();
    assert_eq!(sound.chunks(&chunks).await.unwrap()[0], contents(1)[0]);
    faults.next(Fault::Fail, 3);
    assert_eq!(depot.chunks(&chunks).await.unwrap()[1], contents(1)[1]);
    assert!(depot.counts().failures >= 4, "{:?}", depot.counts());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_gone_is_given_up_in_time() {
    let (depot, faults, sound) = faulty();
    let (one, chunks) = pack(1);
    let (kept, _, at) = kept();
    let id = one.id;
    sound.put(kept).await.unwrap();
    faults.begin(Fault::Fail);
    let begun = Instant::now();
    assert!(matches!(depot.put(one.clone()).await, Err(DepotError::Unavailable(_))));
    assert!(matches!(depot.chunks(&chunks).await, Err(DepotError::Unavailable(_))));
    assert!(matches!(depot.manifest(&at, &Expect::default()).await, Err(DepotError::Unavailable(_))));
    assert!(matches!(depot.delete(id).await, Err(DepotError::Unavailable(_))));
    assert!(matches!(depot.list(None, 5).await, Err(DepotError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(5 * 31), "{:?}", begun.elapsed());
    assert_eq!(sound.list(None, 5).await.unwrap().len(), 1, "nothing was stored or deleted");
    assert_eq!(depot.counts().puts, 0);
    faults.clear();
    depot.put(one).await.unwrap();
    assert_eq!(depot.list(None, 5).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_waited_for_and_a_hanging_one_is_not() {
    let (depot, faults, _) = faulty();
    let (one, chunks) = pack(1);
    faults.begin(Fault::Slow(Duration::from_secs(5)));
    depot.put(one).await.unwrap();
    depot.chunks(&chunks).await.unwrap();
    faults.clear();
    faults.begin(Fault::Slow(Duration::from_secs(3600)));
    let begun = Instant::now();
    let (two, _) = pack(2);
    assert!(matches!(depot.put(two).await, Err(DepotError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(61), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(matches!(depot.chunks(&pack(3).1).await, Err(DepotError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(31), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_room_is_said_at_once() {
    let (depot, faults, sound) = faulty();
    let (one, _) = pack(1);
    faults.begin(Fault::Full);
    let begun = Instant::now();
    assert!(matches!(depot.put(one.clone()).await, Err(DepotError::Full(_))));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(sound.list(None, 5).await.unwrap(), []);
    faults.clear();
    depot.put(one).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_a_write() {
    let (depot, faults, sound) = faulty();
    let (one, chunks) = pack(1);
    faults.next(Fault::FailAfterPut, 1);
    depot.put(one.clone()).await.unwrap();
    assert_eq!(depot.counts().puts, 1);
    assert_eq!(sound.chunks(&chunks).await.unwrap()[3], contents(1)[3]);
    // What was stored then is compared, and not believed.
    faults.next(Fault::FailAfterPut, 1);
    let other = checkpoint::Pack { id: one.id, bytes: one.bytes.slice(1..) };
    assert!(matches!(depot.put(other).await, Err(DepotError::Corrupt { .. })));
}

#[tokio::test(start_paused = true)]
async fn damage_on_the_way_is_found() {
    for fault in [Fault::TruncateReads, Fault::FlipReads] {
        let (depot, faults, _) = faulty();
        let (one, chunks) = pack(1);
        let (kept, checkpoint, at) = kept();
        let image = wire::Digest::from_bytes(checkpoint::hash(b"component"));
        depot.put(one).await.unwrap();
        depot.put(kept).await.unwrap();
        depot.put_image(&image, b"component".to_vec().into()).await.unwrap();
        faults.begin(fault);
        for chunk in chunks.iter().filter(|chunk| chunk.length > 0) {
            let error = depot.chunks(&[*chunk]).await.unwrap_err();
            assert!(matches!(error, DepotError::Corrupt { .. }), "{fault:?}: {error}");
        }
        let error = depot.manifest(&at, &Expect::default()).await.unwrap_err();
        assert!(matches!(error, DepotError::Corrupt { .. }), "{fault:?}: {error}");
        let error = depot.tree(&checkpoint.tree.unwrap()).await.unwrap_err();
        assert!(matches!(error, DepotError::Corrupt { .. }), "{fault:?}: {error}");
        let error = depot.image(&image, 1000).await.unwrap_err();
        assert!(matches!(error, DepotError::Corrupt { .. }), "{fault:?}: {error}");
        faults.clear();
        // Once is read again.
        faults.next(fault, 1);
        assert_eq!(depot.chunks(&chunks).await.unwrap()[0], contents(1)[0]);
        faults.next(fault, 1);
        assert_eq!(depot.manifest(&at, &Expect::default()).await.unwrap(), checkpoint);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_pack_is_missing() {
    let (depot, faults, _) = faulty();
    let (kept, _, at) = kept();
    depot.put(kept).await.unwrap();
    faults.begin(Fault::Lose);
    let error = depot.manifest(&at, &Expect::default()).await.unwrap_err();
    assert_eq!(error, DepotError::Missing { what: at.pack.to_string() });
    assert!(!error.is_temporary());
}
