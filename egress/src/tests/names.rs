//! What a name may turn out to be.

use std::time::Duration;

use hickory_resolver::proto::{op::ResponseCode, rr::RecordType};

use super::{
    INSIDE, OUTSIDE,
    dns::{Dns, Says},
    egress, get, request, send,
    server::{Reply, Server},
};
use crate::{Error, Failure, Kind, address::Reason};

fn forbidden(answer: Result<crate::Response, Error>) -> Reason {
    let error = answer.unwrap_err();
    assert!(!error.may_have_left() && !error.retryable());
    assert_eq!(error.kind(), Kind::NotGranted);
    match error.failure() {
        Failure::ForbiddenAddress { reason, .. } => *reason,
        other => panic!("{other:?}"),
    }
}

/// A server outside, and one inside on the same port.
async fn both() -> (Server, Server) {
    loop {
        let outside = Server::new(OUTSIDE, |_| "HTTP/1.1 200 OK\r\n\r\noutside".into()).await;
        let inside = std::net::SocketAddr::new(INSIDE.parse().unwrap(), outside.address.port());
        if std::net::TcpListener::bind(inside).is_ok() {
            return (outside, Server::at(inside, |_| Reply::from("HTTP/1.1 200 OK\r\n\r\ninside")).await);
        }
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_its_next_address_is_looked_at_too() {
    let (outside, inside) = both().await;
    let dns =
        Dns::new(|_, _, before| Says::Addresses(vec![if before == 0 { OUTSIDE } else { INSIDE }])).await;
    let egress = dns.egress();
    let url = format!("http://rebinding.test:{}/", outside.address.port());
    assert_eq!(get(&egress, &url).await.unwrap().body, b"outside");
    let mut asked = dns.asked();
    asked.sort_by_key(|(_, kind)| u16::from(*kind));
    let name = || "rebinding.test.".to_owned();
    assert_eq!(asked, [(name(), RecordType::A), (name(), RecordType::AAAA)]);
    assert_eq!(forbidden(get(&egress, &url).await), Reason::Loopback);
    assert_eq!((outside.seen().len(), inside.seen().len()), (1, 0));
}

#[tokio::test]
async fn one_forbidden_address_forbids_them_all() {
    let (outside, inside) = both().await;
    for addresses in [
        ["127.0.0.2", "127.0.0.1"].as_slice(),
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "10.1.2.3"],
        &["127.0.0.2", "::1"],
        &["127.0.0.2", "fd00:ec2::254"],
    ] {
        let dns = Dns::always(addresses).await;
        let url = format!("http://mixed.test:{}/", outside.address.port());
        forbidden(get(&dns.egress(), &url).await);
    }
    assert_eq!((outside.seen().len(), inside.seen().len()), (0, 0));
}

#[tokio::test]
async fn an_alias_of_something_inside_is_refused_and_its_address_not_told() {
    let dns = Dns::new(|_, _, _| Says::Alias("db.internal.", vec!["10.1.2.3"])).await;
    let error = get(&dns.egress(), "http://alias.test/").await.unwrap_err();
    assert_eq!(error.to_string(), "alias.test is at a private address");
    assert_eq!(forbidden(Err(error)), Reason::Private);
}

#[tokio::test]
async fn addresses_that_stand_for_others_are_refused() {
    for (address, reason) in [
        (&["::ffff:127.0.0.1"], Reason::Embedded),
        (&["::ffff:127.0.0.2"], Reason::Embedded),
        (&["64:ff9b::169.254.169.254"], Reason::LinkLocal),
        (&["2002:7f00:1::"], Reason::Embedded),
    ] {
        let dns = Dns::always(address).await;
        assert_eq!(forbidden(get(&dns.egress(), "http://mapped.test/").await), reason, "{address:?}");
    }
}

#[tokio::test]
async fn addresses_in_a_url_are_looked_at_in_any_notation() {
    let egress = egress();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.1",
        "127.1",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "[::1]",
        "0",
        "localhost",
    ] {
        let reason = forbidden(get(&egress, &format!("http://{host}/")).await);
        assert!(matches!(reason, Reason::Loopback | Reason::Unspecified), "{host}");
    }
    for (host, reason) in [
        ("[::ffff:127.0.0.1]", Reason::Embedded),
        ("[::ffff:127.0.0.2]", Reason::Embedded),
        ("169.254.169.254", Reason::LinkLocal),
        ("169.254.170.2", Reason::LinkLocal),
        ("10.0.0.1:8080", Reason::Private),
    ] {
        assert_eq!(forbidden(get(&egress, &format!("http://{host}/")).await), reason, "{host}");
    }
}

#[tokio::test]
async fn a_name_without_addresses_is_told_from_nobody_to_ask() {
    let dns = Dns::new(|name, _, _| match name {
        "none.test." => Says::Error(ResponseCode::NXDomain),
        "empty.test." => Says::Addresses(Vec::new()),
        "broken.test." => Says::Error(ResponseCode::ServFail),
        _ => Says::Nothing,
    })
    .await;
    let egress = dns.egress();
    for (host, retryable) in [("none", false), ("empty", false), ("broken", true)] {
        let error = get(&egress, &format!("http://{host}.test/hidden")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unreachable, "{host}: {error:?}");
        assert_eq!(error.retryable(), retryable, "{host}: {error:?}");
        assert!(!error.may_have_left() && !error.to_string().contains("hidden"));
    }
    let within = Some(Duration::from_millis(50));
    let silent = crate::Request { timeout: within, ..request("POST", "http://silent.test/") };
    let error = send(&egress, silent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(!error.may_have_left() && error.retryable());
}

#[tokio::test]
async fn a_request_that_is_not_granted_asks_nobody() {
    let dns = Dns::always(&[OUTSIDE]).await;
    let rules = std::sync::Arc::new(["http://other.test".parse().unwrap()]);
    let error = dns.egress().send(rules, request("GET", "http://name.test/")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotGranted);
    assert!(dns.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_datagram_is_asked_for_again() {
    let (outside, _) = both().await;
    let dns = Dns::new(|_, kind, _| match kind {
        RecordType::A => Says::Long(vec![OUTSIDE]),
        _ => Says::Addresses(Vec::new()),
    })
    .await;
    let url = format!("http://long.test:{}/", outside.address.port());
    assert_eq!(get(&dns.egress(), &url).await.unwrap().body, b"outside");
}
