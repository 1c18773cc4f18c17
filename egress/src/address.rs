//! Which addresses are nobody's business: pure, no I/O.
//!
//! What is reachable is what is listed as globally reachable, and not what is left when the well-known private
//! networks are taken away: of IPv6 that is 2000::/3, so that a prefix nobody has thought of yet is refused too.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody's: 0.0.0.0/8, `::`.
    Unspecified,
    /// This machine by definition.
    Loopback,
    /// RFC 1918, unique local and site-local addresses.
    Private,
    /// Between a provider and its customers: 100.64.0.0/10.
    Shared,
    /// 169.254.0.0/16 and fe80::/10, the metadata of most clouds among them.
    LinkLocal,
    /// A cloud's own service under an address that looks public.
    Metadata,
    /// To many at once.
    Multicast,
    /// To everybody.
    Broadcast,
    /// In books only.
    Documentation,
    /// In laboratories only.
    Benchmarking,
    /// Set aside for protocols or for later.
    Reserved,
    /// An IPv6 address that stands for an IPv4 one: mapped, compatible, translated, tunnelled.
    Embedded,
    /// An address of the machine that would connect.
    Itself,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "an address of a provider's own network",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "an address of the cloud's own services",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Reserved => "a reserved address",
            Self::Embedded => "an IPv6 address that stands for an IPv4 one",
            Self::Itself => "an address of the host itself",
        })
    }
}

/// The IANA registry of special-purpose IPv4 addresses, and what is not in it but should be.
const V4: &[(Ipv4Net, Reason)] = &[
    (v4([0, 0, 0, 0], 8), Reason::Unspecified),
    (v4([10, 0, 0, 0], 8), Reason::Private),
    (v4([100, 64, 0, 0], 10), Reason::Shared),
    (v4([127, 0, 0, 0], 8), Reason::Loopback),
    // Azure's agent of the machine, which hands out its secrets.
    (v4([168, 63, 129, 16], 32), Reason::Metadata),
    (v4([169, 254, 0, 0], 16), Reason::LinkLocal),
    (v4([172, 16, 0, 0], 12), Reason::Private),
    (v4([192, 0, 0, 0], 24), Reason::Reserved),
    (v4([192, 0, 2, 0], 24), Reason::Documentation),
    // Relays of 6to4, deprecated.
    (v4([192, 88, 99, 0], 24), Reason::Reserved),
    (v4([192, 168, 0, 0], 16), Reason::Private),
    (v4([198, 18, 0, 0], 15), Reason::Benchmarking),
    (v4([198, 51, 100, 0], 24), Reason::Documentation),
    (v4([203, 0, 113, 0], 24), Reason::Documentation),
    (v4([224, 0, 0, 0], 4), Reason::Multicast),
    (v4([255, 255, 255, 255], 32), Reason::Broadcast),
    (v4([240, 0, 0, 0], 4), Reason::Reserved),
];

/// The same of IPv6; what is in none of these has to be in [`GLOBAL`].
const V6: &[(Ipv6Net, Reason)] = &[
    (v6([0; 8], 128), Reason::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), Reason::Loopback),
    // Mapped and compatible.
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), Reason::Embedded),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), Reason::Embedded),
    (v6([0; 8], 96), Reason::Embedded),
    // NAT64 of a network's own: where the IPv4 address is in it, only that network knows.
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), Reason::Embedded),
    // Teredo and 6to4: tunnels to the IPv4 address within, deprecated or gone.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Reason::Embedded),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Reason::Embedded),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), Reason::Benchmarking),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), Reason::Documentation),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), Reason::Documentation),
    // For protocols: ORCHID, AMT, and what comes.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), Reason::Reserved),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Reason::Private),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), Reason::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), Reason::LinkLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), Reason::Multicast),
];

/// Where IPv6 addresses are given out to the world.
const GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// NAT64 as everybody does it (RFC 6052): the IPv4 address is the last 32 bits. In a network without IPv4 the
/// resolver answers with these for every host that has no other, so here the address within decides.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

/// Why `address` is not connected to; `None` where it may be. What is in one of `allow` may be: as it is written,
/// an IPv4 network there does not open the IPv6 addresses that stand for it.
#[must_use]
pub fn refusal(address: IpAddr, allow: &[IpNet]) -> Option<Reason> {
    if allow.iter().any(|net| net.contains(&address)) {
        return None;
    }
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address, allow),
    }
}

fn of_v4(address: Ipv4Addr) -> Option<Reason> {
    V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, reason)| *reason)
}

fn of_v6(address: Ipv6Addr, allow: &[IpNet]) -> Option<Reason> {
    let [.., a, b, c, d] = address.octets();
    let last = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    if NAT64.contains(&address) {
        return refusal(last, allow);
    }
    if let Some((_, reason)) = V6.iter().find(|(net, _)| net.contains(&address)) {
        return Some(*reason);
    }
    if !GLOBAL.contains(&address) {
        return Some(Reason::Reserved);
    }
    // ISATAP: a tunnel to the IPv4 address in the last 32 bits, under any prefix.
    let [_, _, _, _, interface, isatap, _, _] = address.segments();
    (isatap == 0x5efe && interface & !0x0200 == 0).then(|| refusal(last, &[])).flatten()
}

#[cfg(test)]
mod tests;
