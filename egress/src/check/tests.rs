use std::time::Duration;

use wire::egress::{MAX_HEADER_BYTES, MAX_HEADERS};

use super::*;

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn get(url: &str) -> Request {
    Request { method: "GET".to_owned(), url: url.to_owned(), ..Request::default() }
}

fn invalid(request: &Request) -> String {
    match check(&rules(&["GET,POST@https://a.test"]), request) {
        Err(Refused::Invalid(why)) => why,
        other => panic!("{request:?}: {other:?}"),
    }
}

#[test]
fn what_a_rule_covers_is_sent_as_it_was_normalised() {
    let rules =
        rules(&["https://a.test", "http://*.b.test:8080", "https://xn--bcher-kva.test", "http://[::1]:8080"]);
    for (url, origin, path) in [
        ("https://a.test", "https://a.test", "/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080", "/"),
        ("HTTPS://A.Test:443/x/../y?q#f", "https://a.test", "/y?q"),
        ("https:\\\\a.test\\x", "https://a.test", "/x"),
        ("https://%61.test/ä", "https://a.test", "/%C3%A4"),
        ("http://c.b.test:8080/%2e%2e/|", "http://c.b.test:8080", "/|"),
        ("https://bücher.test/", "https://xn--bcher-kva.test", "/"),
    ] {
        let checked = check(&rules, &get(url)).unwrap_or_else(|why| panic!("{url}: {why}"));
        assert_eq!(checked.origin(), origin, "{url}");
        let host = origin.split_once("://").unwrap().1;
        assert_eq!(checked.target.authority().unwrap(), host, "{url}");
        assert_eq!(checked.target.path().unwrap().as_str(), path, "{url}");
    }
}

#[test]
fn what_no_rule_covers_is_refused_with_the_rule_it_needs() {
    let rules = rules(&["https://a.test", "http://*.b.test:8080"]);
    for (method, url, needs) in [
        ("GET", "http://a.test/secret?token=1", "GET@http://a.test;"),
        ("GET", "https://a.test:444/", "GET@https://a.test:444;"),
        ("POST", "https://a.test/", "POST@https://a.test;"),
        ("GET", "https://a.test.evil.test/", "GET@https://a.test.evil.test;"),
        ("GET", "https://a.test./", "GET@https://a.test.;"),
        ("GET", "http://b.test:8080/", "GET@http://b.test:8080;"),
        ("GET", "http://[::1]:8080/", "GET@http://[::1]:8080;"),
        ("GET", "http://2130706433:8080/", "GET@http://127.0.0.1:8080;"),
    ] {
        let request = Request { method: method.to_owned(), ..get(url) };
        let Err(Refused::NotGranted(why)) = check(&rules, &request) else { panic!("{url}") };
        assert!(why.contains(needs), "{url}: {why}");
        assert!(!why.contains("secret") && !why.contains("token"), "{why}");
    }
    assert!(matches!(check(&[], &get("https://a.test")), Err(Refused::NotGranted(_))));
}

#[test]
fn addresses_are_what_they_are_in_any_notation() {
    let loopback = rules(&["http://127.0.0.1", "http://[::1]"]);
    for url in [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://①②⑦.0.0.1/",
        "http://0x7f000001/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::0.0.0.1]/",
    ] {
        assert!(check(&loopback, &get(url)).is_ok(), "{url}");
    }
    // In a rule too.
    for (rule, url) in
        [("http://[0:0::1]", "http://[::1]/"), ("http://[::ffff:1.2.3.4]", "http://[::ffff:102:304]/")]
    {
        assert!(check(&rules(&[rule]), &get(url)).is_ok(), "{url}");
    }
    // A wildcard is for names; such a rule is refused where it is made, too.
    let wild = Rule { host: "*.0.0.1".to_owned(), ..rules(&["http://127.0.0.1"]).remove(0) };
    assert!(check(&[wild], &get("http://127.0.0.1/")).is_err());
}

#[test]
fn what_is_no_request_says_why_and_repeats_no_secret() {
    let long_label = format!("https://{}.test/", "a".repeat(64));
    let long_name = format!("https://{}test/", "abcdefgh.".repeat(30));
    for (url, why) in [
        ("", "no URL"),
        ("/hidden", "no URL"),
        ("ftp://a.test/", "http:// or https://"),
        ("file:///etc/hidden", "http:// or https://"),
        ("https://hidden:pw@a.test/", "name or password"),
        ("https://hidden@a.test/", "name or password"),
        ("https://:hidden@a.test/", "name or password"),
        ("https://a.test/\nhidden", "control"),
        ("https://a.test:0/", "1 to 65535"),
        ("https://a.test:99999/", "no URL"),
        ("https://a..test/", "not the name"),
        (&long_label, "not the name"),
        (&long_name, "not the name"),
        ("https://[::ffff:1/", "no URL"),
        ("https://256.1.1.1/", "no URL"),
    ] {
        let said = invalid(&get(url));
        assert!(said.contains(why), "{url}: {said}");
        assert!(!said.contains("hidden"), "{url}: {said}");
    }
}

#[test]
fn methods_are_words_that_can_be_granted() {
    for method in ["", "get", "G ET", "CONNECT", "TRACE", "GET\r\n", "ABCDEFGHIJKLMNOPQRSTU"] {
        invalid(&Request { method: method.to_owned(), ..get("https://a.test") });
    }
    let body = Request { body: b"hidden".to_vec(), ..get("https://a.test") };
    assert!(invalid(&body).contains("GET has no body"));
}

#[test]
fn headers_that_are_ours_or_none_are_refused() {
    let with = |name: &str, value: &[u8]| Request {
        headers: vec![(name.to_owned(), value.to_vec())],
        ..get("https://a.test")
    };
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Proxy-Authorization",
        "proxy-anything",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Trailer",
        "Expect",
        "http2-settings",
    ] {
        assert!(invalid(&with(name, b"x")).contains("set by the host"), "{name}");
    }
    for name in ["", "a b", "a:b", "a\r\nhost", "ä"] {
        assert!(invalid(&with(name, b"x")).contains("name of header 0"), "{name:?}");
    }
    for value in [b"hidden\r\nhost: b".as_slice(), b"hidden\n", b"hid\0den", b"\x7f"] {
        let said = invalid(&with("x-a", value));
        assert!(said.contains("x-a") && !said.contains("hid"), "{said}");
    }
    let rules = rules(&["https://a.test"]);
    assert!(check(&rules, &with("x-a", b"caf\xc3\xa9\t!")).is_ok());
}

#[test]
fn bounds_hold_at_their_edges() {
    let rules = rules(&["POST,GET@https://a.test"]);
    let is_too_large = |request: &Request| matches!(check(&rules, request), Err(Refused::TooLarge(_)));
    let url = |bytes: usize| format!("https://a.test/{}", "x".repeat(bytes - 15));
    assert!(check(&rules, &get(&url(MAX_URL_BYTES))).is_ok());
    assert!(is_too_large(&get(&url(MAX_URL_BYTES + 1))));
    // Three times as long once it is escaped.
    assert!(is_too_large(&get(&format!("https://a.test/{}", "ä".repeat(MAX_URL_BYTES / 4)))));

    let body = |bytes| Request { method: "POST".to_owned(), body: vec![0; bytes], ..get("https://a.test") };
    assert!(check(&rules, &body(MAX_BODY_BYTES)).is_ok());
    assert!(is_too_large(&body(MAX_BODY_BYTES + 1)));

    let headers = |count: usize, bytes: usize| Request {
        headers: vec![("x".to_owned(), vec![b'v'; bytes]); count],
        ..get("https://a.test")
    };
    assert!(check(&rules, &headers(MAX_HEADERS, 1)).is_ok());
    assert!(is_too_large(&headers(MAX_HEADERS + 1, 1)));
    assert!(check(&rules, &headers(1, MAX_HEADER_BYTES - 1)).is_ok());
    assert!(is_too_large(&headers(1, MAX_HEADER_BYTES)));
}

#[test]
fn nothing_of_a_request_is_printed() {
    let request = Request {
        headers: vec![("authorization".to_owned(), b"hidden".to_vec())],
        method: "POST".to_owned(),
        url: "https://a.test/hidden?hidden".to_owned(),
        body: b"hidden".to_vec(),
        timeout: Some(Duration::from_secs(1)),
        key: Some("hidden".to_owned()),
    };
    let checked = check(&rules(&["POST@https://a.test"]), &request).unwrap();
    for printed in [format!("{request:?}"), format!("{checked:?}")] {
        assert!(!printed.contains("hidden"), "{printed}");
    }
}
