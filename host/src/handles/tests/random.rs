//! Any order of making and dropping, with restores in between.

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};

use super::*;

/// What the guest does next, each with where to choose from what it holds.
fn act(guest: &mut Guest<'_>, act: usize, which: Index) {
    let held = guest.live();
    let pick = |of: &dyn Fn(&Kind) -> bool| {
        let fit: Vec<u32> =
            held.iter().filter(|(_, _, kind)| of(kind)).map(|(number, _, _)| *number).collect();
        (!fit.is_empty()).then(|| *which.get(&fit))
    };
    let resource = |resource| move |kind: &Kind| kind.resource() == resource;
    let maybe = |guest: &mut Guest<'_>, name: &str, from: Option<u32>| {
        let Some(from) = from else { return };
        let expected = guest.state().shadow.free().clone().take();
        let before = guest.live().len();
        match guest.call(name, from) {
            // Refused by the host: not a file, not a directory, closed.
            0 => assert_eq!(guest.live().len(), before, "{name}"),
            handle => assert_eq!((handle, guest.live().len()), (expected, before + 1), "{name}"),
        }
    };
    match act {
        0 => drop(guest.make("stdin", 0)),
        1 => drop(guest.make("stdout", 0)),
        2 => drop(guest.make("stderr", 0)),
        3 => drop(guest.make("terminal", 0)),
        4 => drop(guest.make("after", u32::try_from(which.index(1_000_000)).unwrap())),
        5 => {
            let first = guest.make("dirs", 0);
            let second = guest.call("second-dir", 0);
            assert_ne!(first, second);
            assert_eq!(guest.live().len(), held.len() + 2);
            assert!(guest.live().iter().any(|(number, _, _)| *number == second));
        }
        6 | 7 => {
            guest.call("name", u32::try_from(which.index(4)).unwrap());
            maybe(guest, if act == 6 { "open" } else { "open-read" }, pick(&resource(Resource::Descriptor)));
        }
        8 => maybe(guest, "unlink", pick(&resource(Resource::Descriptor))),
        9 => maybe(guest, "list", pick(&resource(Resource::Descriptor))),
        10 => maybe(guest, "reader", pick(&resource(Resource::Descriptor))),
        11 => maybe(guest, "writer", pick(&resource(Resource::Descriptor))),
        12 => maybe(guest, "far-writer", pick(&resource(Resource::Descriptor))),
        13 => maybe(guest, "append", pick(&resource(Resource::Descriptor))),
        14 => maybe(guest, "put", pick(&resource(Resource::Output))),
        15 => maybe(guest, "get", pick(&resource(Resource::Input))),
        16 => maybe(guest, "poll-in", pick(&resource(Resource::Input))),
        18 => drop(guest.make("network", 0)),
        17 => maybe(guest, "poll-out", pick(&resource(Resource::Output))),
        _ => {
            let parents: Vec<u32> = held
                .iter()
                .filter_map(|(_, _, kind)| if let Kind::Pollable(of) = kind { Some(*of) } else { None })
                .collect();
            let free: Vec<_> = held.iter().filter(|(_, rep, _)| !parents.contains(rep)).collect();
            if !free.is_empty() {
                let (number, _, kind) = which.get(&free);
                guest.drop_handle(kind.resource(), *number);
            }
        }
    }
}

#[test]
fn the_shadow_is_what_wasmtime_does() {
    let world = World::new();
    let acts = || prop::collection::vec((0_usize..27, any::<Index>()), 0..40);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&(acts(), acts(), acts()), |(first, fresh, second)| {
            let mut guest = world.guest(Clock::new());
            // So that failing streams are not rare.
            let work = guest.make("dirs", 0);
            let file = guest.make("open", work);
            for _ in 0..4 {
                guest.make("far-writer", file);
            }
            for (what, which) in first {
                act(&mut guest, what, which);
            }
            // Handles of the fresh instance's own must not be in the way.
            let mut guest = guest.moved(|again| {
                for (what, which) in fresh {
                    // Files are the first guest's, and stay as they are.
                    act(again, if (6..15).contains(&what) { 4 } else { what }, which);
                }
            });
            for (what, which) in second {
                act(&mut guest, what, which);
            }
            guest.moved(|_| {});
            Ok(())
        })
        .unwrap();
}
