use super::*;

fn of(address: &str) -> Option<Reason> {
    refusal(address.parse().unwrap_or_else(|_| panic!("{address}")), &[])
}

/// First and last address of each network, and the ones just outside it where they are nobody's but the world's.
#[test]
fn every_special_network_is_refused_up_to_its_edges() {
    use Reason::*;
    for (first, last, reason, before, after) in [
        ("0.0.0.0", "0.255.255.255", Unspecified, None, Some("1.0.0.0")),
        ("10.0.0.0", "10.255.255.255", Private, Some("9.255.255.255"), Some("11.0.0.0")),
        ("100.64.0.0", "100.127.255.255", Shared, Some("100.63.255.255"), Some("100.128.0.0")),
        ("127.0.0.0", "127.255.255.255", Loopback, Some("126.255.255.255"), Some("128.0.0.0")),
        ("168.63.129.16", "168.63.129.16", Metadata, Some("168.63.129.15"), Some("168.63.129.17")),
        ("169.254.0.0", "169.254.255.255", LinkLocal, Some("169.253.255.255"), Some("169.255.0.0")),
        ("172.16.0.0", "172.31.255.255", Private, Some("172.15.255.255"), Some("172.32.0.0")),
        ("192.0.0.0", "192.0.0.255", Reserved, Some("191.255.255.255"), Some("192.0.1.0")),
        ("192.0.2.0", "192.0.2.255", Documentation, Some("192.0.1.255"), Some("192.0.3.0")),
        ("192.88.99.0", "192.88.99.255", Reserved, Some("192.88.98.255"), Some("192.88.100.0")),
        ("192.168.0.0", "192.168.255.255", Private, Some("192.167.255.255"), Some("192.169.0.0")),
        ("198.18.0.0", "198.19.255.255", Benchmarking, Some("198.17.255.255"), Some("198.20.0.0")),
        ("198.51.100.0", "198.51.100.255", Documentation, Some("198.51.99.255"), Some("198.51.101.0")),
        ("203.0.113.0", "203.0.113.255", Documentation, Some("203.0.112.255"), Some("203.0.114.0")),
        ("224.0.0.0", "239.255.255.255", Multicast, Some("223.255.255.255"), None),
        ("240.0.0.0", "255.255.255.254", Reserved, None, None),
        ("255.255.255.255", "255.255.255.255", Broadcast, None, None),
        ("::", "::", Unspecified, None, None),
        ("::1", "::1", Loopback, None, None),
        ("::2", "::ffff:ffff", Embedded, None, None),
        ("::ffff:0:0", "::ffff:255.255.255.255", Embedded, None, None),
        ("::ffff:0:0:0", "::ffff:0:255.255.255.255", Embedded, None, None),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Embedded, None, None),
        ("100::", "100::ffff:ffff:ffff:ffff", Reserved, None, None),
        ("1fff:ffff::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, None, Some("2000::")),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Embedded, Some("2000:ffff::"), None),
        ("2001:1::", "2001:1:ffff::", Reserved, None, None),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmarking, None, None),
        ("2001:3::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, None, Some("2001:200::")),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            Documentation,
            Some("2001:db7:ffff::"),
            Some("2001:db9::"),
        ),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Embedded, Some("2001:ffff::"), Some("2003::")),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            Documentation,
            Some("3ffe:ffff::"),
            Some("3fff:1000::"),
        ),
        ("4000::", "fbff:ffff::", Reserved, None, None),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, None, None),
        ("fe00::", "fe7f:ffff::", Reserved, None, None),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal, None, None),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, None, None),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast, None, None),
    ] {
        assert_eq!(of(first), Some(reason), "{first}");
        assert_eq!(of(last), Some(reason), "{last}");
        for open in [before, after].into_iter().flatten() {
            assert_eq!(of(open), None, "{open}");
        }
    }
}

#[test]
fn metadata_of_every_cloud_is_refused() {
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
    ] {
        assert!(of(address).is_some(), "{address}");
    }
}

#[test]
fn the_world_is_open() {
    for address in ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"]
    {
        assert_eq!(of(address), None, "{address}");
    }
}

#[test]
fn an_address_within_an_address_is_looked_at() {
    // Translated as everybody does it: what is inside decides.
    assert_eq!(of("64:ff9b::8.8.8.8"), None);
    assert_eq!(of("64:ff9b::127.0.0.1"), Some(Reason::Loopback));
    assert_eq!(of("64:ff9b::10.1.2.3"), Some(Reason::Private));
    assert_eq!(of("64:ff9b::169.254.169.254"), Some(Reason::LinkLocal));
    // Beside that prefix is nothing.
    assert_eq!(of("64:ff9b::1:8.8.8.8"), Some(Reason::Reserved));
    // Every other way of writing one is refused, even of a public address.
    for address in [
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.2",
        "::8.8.8.8",
        "::ffff:0:8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::",
        "2002:808:808::1",
        "2001:0:808:808::1",
    ] {
        assert_eq!(of(address), Some(Reason::Embedded), "{address}");
    }
    assert_eq!(of("2a00::5efe:10.0.0.1"), Some(Reason::Private));
    assert_eq!(of("2a00::200:5efe:127.0.0.1"), Some(Reason::Loopback));
    assert_eq!(of("2a00::200:5efe:8.8.8.8"), None);
    assert_eq!(of("2a00::300:5efe:127.0.0.1"), None);
}

#[test]
fn what_is_allowed_is_open_and_nothing_beside_it() {
    let allow: Vec<IpNet> =
        ["127.0.0.2/32", "10.1.0.0/16", "fd00:1::/32"].map(|net| net.parse().unwrap()).into();
    let with = |address: &str| refusal(address.parse().unwrap(), &allow);
    for open in ["127.0.0.2", "10.1.0.0", "10.1.255.255", "fd00:1:2::3", "64:ff9b::10.1.2.3"] {
        assert_eq!(with(open), None, "{open}");
    }
    for shut in ["127.0.0.1", "127.0.0.3", "10.2.0.0", "fd00:2::1", "::ffff:10.1.0.1", "2a00::5efe:10.1.0.1"]
    {
        assert!(with(shut).is_some(), "{shut}");
    }
}
