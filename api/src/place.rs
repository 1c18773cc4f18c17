//! Placement: which host an agent is offered to. Pure; the host itself has the last word, and a
//! refusal asks again without it.
//!
//! Power of two choices: of two hosts drawn at random from those that fit, the one with the lower
//! load. The view of loads is seconds old; taking the least loaded by a stale view sends every spawn
//! to one host, two random candidates do not (Mitzenmacher, "The power of two choices in randomized
//! load balancing").

use wire::{Digest, HostId, fleet::HostState};

use crate::domain::host::Host;

/// What the scheduler knows of a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostView<'a> {
    /// Its row.
    pub host: &'a Host,
    /// Agents given to it that its row does not count yet.
    pub in_flight: u32,
}

/// What an agent needs of a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need<'a> {
    /// Its image.
    pub image: &'a Digest,
    /// Hosts that refused it already.
    pub avoid: &'a [HostId],
}

impl HostView<'_> {
    pub(crate) fn fits(&self, need: Need<'_>) -> bool {
        self.host.state == HostState::Active
            && self.taken() < self.host.capacity
            && !need.avoid.contains(&self.host.id)
            && self.host.images.iter().any(|image| image.digest == *need.image)
    }

    fn taken(&self) -> u32 {
        self.host.agents.saturating_add(self.in_flight)
    }

    /// Whether its load, as a share of its capacity, is lower than the other's. A tie is not lower.
    fn less_loaded(&self, other: &Self) -> bool {
        let cross = |a: &Self, b: &Self| u64::from(a.taken()) * u64::from(b.host.capacity);
        cross(self, other) < cross(other, self)
    }
}

/// The host to offer an agent to; `None` when none fits. `pick(n)` is a random number below `n`.
///
/// ```
/// # use api::place::{Need, choose};
/// # let image = wire::Digest::from_bytes([0; 32]);
/// let need = Need { image: &image, avoid: &[] };
/// assert_eq!(choose(&[], need, |n| rand::random_range(0..n)), None);
/// ```
#[must_use]
pub fn choose(view: &[HostView<'_>], need: Need<'_>, mut pick: impl FnMut(usize) -> usize) -> Option<HostId> {
    let fitting: Vec<&HostView<'_>> = view.iter().filter(|host| host.fits(need)).collect();
    let chosen = match fitting.as_slice() {
        [] => return None,
        [only] => only,
        many => {
            let first = pick(many.len()).min(many.len() - 1);
            // The second is drawn from the others, so the two always differ.
            let second = pick(many.len() - 1).min(many.len() - 2);
            let second = if second >= first { second + 1 } else { second };
            if many[second].less_loaded(many[first]) { many[second] } else { many[first] }
        }
    };
    Some(chosen.host.id)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
    use wire::{Incarnation, image::Image};

    use super::*;

    fn digest() -> Digest {
        Digest::from_bytes([1; 32])
    }

    fn host(number: u128, agents: u32, capacity: u32) -> Host {
        Host {
            id: HostId::from_u128(number),
            incarnation: Incarnation::from_u128(number),
            state: HostState::Active,
            address: "127.0.0.1:1".to_owned(),
            public_url: None,
            capacity,
            agents,
            memory_bytes: 0,
            seq: 0,
            version: "1".to_owned(),
            images: vec![Image {
                digest: digest(),
                name: "shell".to_owned(),
                description: String::new(),
                size_bytes: 1,
                imports: Vec::new(),
                kind: wire::image::ImageKind::Agent,
                suspendable: true,
                not_suspendable: None,
                upgradable: false,
                compile_ms: None,
            }],
            registered_at: Timestamp::UNIX_EPOCH,
            renewed_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn place(hosts: &[Host], avoid: &[HostId]) -> Option<HostId> {
        let view: Vec<_> = hosts.iter().map(|host| HostView { host, in_flight: 0 }).collect();
        let mut rng = StdRng::seed_from_u64(1);
        choose(&view, Need { image: &digest(), avoid }, |n| rng.random_range(0..n))
    }

    #[test]
    fn only_hosts_that_fit_are_chosen() {
        let draining = Host { state: HostState::Draining, ..host(1, 0, 10) };
        let dead = Host { state: HostState::Dead, ..host(2, 0, 10) };
        let without_image = Host { images: Vec::new(), ..host(3, 0, 10) };
        let full = host(4, 10, 10);
        let refused = host(5, 0, 10);
        let refusing = [refused.id];
        let mut hosts = vec![draining, dead, without_image, full, refused];
        assert_eq!(place(&hosts, &refusing), None);
        hosts.push(host(6, 9, 10));
        assert_eq!(place(&hosts, &refusing), Some(HostId::from_u128(6)));
    }

    #[test]
    fn agents_in_flight_count() {
        let host = host(1, 9, 10);
        let need = Need { image: &digest(), avoid: &[] };
        let with = |in_flight| choose(&[HostView { host: &host, in_flight }], need, |_| 0);
        assert_eq!(with(0), Some(host.id));
        assert_eq!(with(1), None);
        assert_eq!(with(u32::MAX), None);
    }

    #[test]
    fn of_two_the_lower_share_of_its_capacity_wins() {
        // 30 of 100 is less than 5 of 10, though it is more agents.
        let hosts = [host(1, 5, 10), host(2, 30, 100)];
        assert_eq!(place(&hosts, &[]), Some(HostId::from_u128(2)));
    }

    #[test]
    fn a_stale_view_still_spreads() {
        // 20 hosts; loads are seen anew only every 500 spawns, and nothing in flight is counted.
        let mut hosts: Vec<Host> = (0..20).map(|n| host(n, 0, 1000)).collect();
        let mut loads = vec![0_u32; hosts.len()];
        let mut rng = StdRng::seed_from_u64(42);
        for _ in 0..14 {
            let mut burst = vec![0_u32; hosts.len()];
            let view: Vec<_> = hosts.iter().map(|host| HostView { host, in_flight: 0 }).collect();
            for _ in 0..500 {
                let need = Need { image: &digest(), avoid: &[] };
                let chosen = choose(&view, need, |n| rng.random_range(0..n)).unwrap();
                burst[hosts.iter().position(|host| host.id == chosen).unwrap()] += 1;
            }
            // Fair would be 25: a herd would put all 500 on one host.
            assert!(burst.iter().all(|&n| n < 100), "{burst:?}");
            for (host, (load, burst)) in hosts.iter_mut().zip(loads.iter_mut().zip(&burst)) {
                *load += burst;
                host.agents = *load;
            }
        }
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(*least > 280 && *most < 420, "fair is 350: {loads:?}");
    }

    proptest! {
        #[test]
        fn the_chosen_host_fits_whatever_is_picked(
            loads in proptest::collection::vec((0..20_u32, 0..5_u32, 0..3_u8), 0..12),
            picks in proptest::collection::vec(any::<usize>(), 2),
        ) {
            let hosts: Vec<Host> = (0..).zip(&loads).map(|(number, &(agents, _, state))| Host {
                state: [HostState::Active, HostState::Draining, HostState::Dead][usize::from(state)],
                ..host(number, agents, 10)
            }).collect();
            let view: Vec<_> = hosts.iter().zip(&loads)
                .map(|(host, &(_, in_flight, _))| HostView { host, in_flight }).collect();
            let need = Need { image: &digest(), avoid: &[] };
            let mut picks = picks.into_iter();
            let chosen = choose(&view, need, |_| picks.next().unwrap_or(0));
            match chosen {
                Some(id) => prop_assert!(view.iter().any(|v| v.host.id == id && v.fits(need))),
                None => prop_assert!(!view.iter().any(|v| v.fits(need))),
            }
        }
    }
}
