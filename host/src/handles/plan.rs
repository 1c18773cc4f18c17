//! In which order handles are made so that each has its number again.

use std::collections::BTreeMap;

use super::{kind::Resource, shadow::FreeList};

/// A call of the component's access module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a handle of this resource from the staged one of this number; it must be `expect`.
    Make {
        /// Whose `openclaw-restore-<name>` answers it.
        resource: Resource,
        /// What to hand it: place in the checkpoint's list of handles, or [`DUMMY`].
        staged: u32,
        /// The handle the component must get.
        expect: u32,
    },
    /// Drop this handle.
    Drop {
        /// Whose `resource.drop` it is.
        resource: Resource,
        /// The handle.
        handle: u32,
    },
}

/// In place of a staged one's number: a dummy.
pub(crate) const DUMMY: u32 = u32::MAX;

/// The steps that turn a component with the handles `held` (number and resource; pollables included) and the
/// free numbers `free` into one that holds just `wanted` (number and resource, in the order they are staged).
pub(crate) fn plan(mut free: FreeList, held: &[(u32, Resource)], wanted: &[(u32, Resource)]) -> Vec<Step> {
    let mut steps = Vec::new();
    // What a fresh instance made for itself is not what the restored memory knows. Pollables first: a stream
    // cannot go before them. Then by descending number, so that the numbers come back ascending.
    let mut leaving = held.to_vec();
    leaving.sort_unstable_by_key(|(handle, resource)| {
        (*resource != Resource::Pollable, std::cmp::Reverse(*handle))
    });
    for (handle, resource) in leaving {
        steps.push(Step::Drop { resource, handle });
        free.give(handle);
    }
    let filler = Resource::ALL.into_iter().find(|all| wanted.iter().any(|(_, resource)| resource == all));
    let mut left: BTreeMap<u32, (u32, Resource)> =
        (0_u32..).zip(wanted).map(|(staged, (number, resource))| (*number, (staged, *resource))).collect();
    let mut dummies = Vec::new();
    while let Some(filler) = filler.filter(|_| !left.is_empty()) {
        let expect = free.take();
        let (staged, resource) = left.remove(&expect).unwrap_or_else(|| {
            dummies.push(expect);
            (DUMMY, filler)
        });
        steps.push(Step::Make { resource, staged, expect });
    }
    let resource = filler.unwrap_or(Resource::Error);
    dummies.sort_unstable();
    steps.extend(dummies.into_iter().rev().map(|handle| Step::Drop { resource, handle }));
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const IN: Resource = Resource::Input;
    const OUT: Resource = Resource::Output;

    #[test]
    fn holes_are_filled_and_emptied() {
        assert_eq!(plan(FreeList::default(), &[], &[]), []);
        assert_eq!(
            plan(FreeList::default(), &[], &[(1, IN), (4, OUT)]),
            [
                Step::Make { resource: IN, staged: 0, expect: 1 },
                Step::Make { resource: OUT, staged: DUMMY, expect: 2 },
                Step::Make { resource: OUT, staged: DUMMY, expect: 3 },
                Step::Make { resource: OUT, staged: 1, expect: 4 },
                Step::Drop { resource: OUT, handle: 3 },
                Step::Drop { resource: OUT, handle: 2 },
            ]
        );
    }

    #[test]
    fn what_a_fresh_instance_holds_goes_first() {
        let mut free = FreeList::default();
        let held = [(free.take(), IN), (free.take(), Resource::Pollable)];
        assert_eq!(
            plan(free, &held, &[(1, OUT)]),
            [
                Step::Drop { resource: Resource::Pollable, handle: 2 },
                Step::Drop { resource: IN, handle: 1 },
                Step::Make { resource: OUT, staged: 0, expect: 1 },
            ]
        );
    }

    proptest! {
        /// From any free list to any set of numbers.
        #[test]
        fn every_number_is_reached(
            makes in 0_usize..20,
            drops in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            wanted in prop::collection::btree_set(1_u32..60, 0..20),
        ) {
            let mut free = FreeList::default();
            let mut held: Vec<u32> = (0..makes).map(|_| free.take()).collect();
            for which in drops {
                if !held.is_empty() {
                    free.give(held.swap_remove(which.index(held.len())));
                }
            }
            let held: Vec<_> = held.into_iter().map(|number| (number, IN)).collect();
            let asked: Vec<_> = wanted.iter().map(|number| (*number, OUT)).collect();
            let steps = plan(free.clone(), &held, &asked);
            let mut live: BTreeSet<u32> = held.iter().map(|(number, _)| *number).collect();
            for step in steps {
                match step {
                    Step::Make { expect, staged, .. } => {
                        prop_assert_eq!(free.take(), expect);
                        prop_assert!(live.insert(expect));
                        prop_assert_eq!(staged == DUMMY, !wanted.contains(&expect));
                        prop_assert!(staged == DUMMY || asked[staged as usize].0 == expect);
                    }
                    Step::Drop { handle, .. } => {
                        prop_assert!(live.remove(&handle));
                        free.give(handle);
                    }
                }
            }
            prop_assert_eq!(live, wanted);
        }
    }
}
