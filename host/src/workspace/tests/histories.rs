//! Whatever an agent does with its files: what is captured is what is restored.

use proptest::prelude::*;

use super::accounts::{Step, paths, steps, take};
use super::store::{Store, seen};
use super::*;

/// One call, or a look at all of it.
#[derive(Debug, Clone)]
enum Event {
    Step(Step),
    /// At an offset in 16 KiB, so that pieces and holes of them come to be.
    Large {
        path: String,
        at: u8,
        byte: u8,
    },
    Modified(String, u32),
    Capture,
    /// To one of the captures.
    Rollback(prop::sample::Index),
    /// Of one of the captures, into a directory that has seen others.
    Restore(prop::sample::Index),
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => steps().prop_map(Event::Step),
        3 => (paths(), 0..20_u8, 0..3_u8).prop_map(|(path, at, byte)| Event::Large { path, at, byte }),
        1 => (paths(), any::<u32>()).prop_map(|(path, at)| Event::Modified(path, at)),
        2 => Just(Event::Capture),
        1 => any::<prop::sample::Index>().prop_map(Event::Rollback),
        1 => any::<prop::sample::Index>().prop_map(Event::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_captured_is_restored(events in prop::collection::vec(events(), 1..60)) {
        let (dir, workspace) = fresh(ROOMY);
        let other = tempfile::tempdir().unwrap();
        let mut guest = Guest::of(&workspace);
        let mut store = Store::default();
        let mut captures = vec![(store.capture(&workspace), seen(dir.path()))];
        let mut held = Vec::new();
        for event in &events {
            match event {
                Event::Step(step) => take(&mut guest, &mut held, step),
                Event::Large { path, at, byte } => {
                    if let Ok(fd) = guest.create(path) {
                        let _ = guest.write(&fd, u64::from(*at) << 14, &[*byte; 1 << 14]);
                        guest.close(fd);
                    }
                }
                Event::Modified(path, at) => drop(guest.set_modified(path, u64::from(*at))),
                Event::Capture => {
                    let tree = store.capture(&workspace);
                    let puts = store.puts;
                    prop_assert_eq!(&store.capture(&workspace), &tree);
                    prop_assert_eq!(store.puts, puts);
                    captures.push((tree, seen(dir.path())));
                }
                Event::Rollback(which) => {
                    let (tree, then) = which.get(&captures);
                    store.rollback(&workspace, tree).unwrap();
                    prop_assert_eq!(&seen(dir.path()), then);
                    take(&mut guest, &mut held, &Step::CloseAll);
                    prop_assert_eq!(workspace.usage(), on_disk(dir.path()));
                }
                Event::Restore(which) => {
                    let (tree, then) = which.get(&captures);
                    let restored = store.restore(other.path(), tree).unwrap();
                    prop_assert_eq!(&seen(other.path()), then);
                    prop_assert_eq!(restored.usage(), on_disk(other.path()));
                    restored.keep().unwrap();
                }
            }
        }
        let tree = store.capture(&workspace);
        store.restore(other.path(), &tree).unwrap();
        prop_assert_eq!(seen(other.path()), seen(dir.path()));
    }
}
