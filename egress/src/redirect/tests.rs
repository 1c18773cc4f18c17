use super::*;
use crate::{Request, check::check};

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn led(rules: &[Rule], location: &str) -> Result<Checked, Failure> {
    let header = |name: &str| (name.to_owned(), b"v".to_vec());
    let request = Request {
        method: "GET".to_owned(),
        url: "https://a.test/x/y?q".to_owned(),
        headers: ["authorization", "cookie", "x-api-key", "x-anything", "accept", "range"].map(header).into(),
        ..Request::default()
    };
    let mut checked = check(rules, &request).unwrap();
    follow(rules, &mut checked, location.as_bytes()).map(|()| checked)
}

#[test]
fn only_reading_requests_are_led() {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, "/z".parse().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(location(&Method::GET, status, &headers).is_some());
        assert!(location(&Method::HEAD, status, &headers).is_some());
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(location(&method, status, &headers).is_none());
        }
        assert!(location(&Method::GET, status, &HeaderMap::new()).is_none());
    }
    for status in [200, 201, 300, 304, 305, 404] {
        assert!(location(&Method::GET, StatusCode::from_u16(status).unwrap(), &headers).is_none());
    }
}

#[test]
fn within_an_origin_everything_goes_along() {
    let rules = rules(&["https://a.test"]);
    for (location, url) in [
        ("z", "https://a.test/x/z"),
        ("/z#f", "https://a.test/z#f"),
        ("?r", "https://a.test/x/y?r"),
        ("//A.test:443/z", "https://a.test/z"),
        ("", "https://a.test/x/y?q"),
    ] {
        let led = led(&rules, location).unwrap();
        assert_eq!(led.target.url.as_str(), url);
        assert_eq!(led.headers["authorization"], "v");
        assert_eq!(led.headers["x-anything"], "v");
    }
}

#[test]
fn to_another_origin_only_what_is_no_secret_goes_along() {
    let rules = rules(&["https://a.test", "https://b.test", "http://a.test", "https://a.test:8443"]);
    for location in ["https://b.test/", "http://a.test/", "https://a.test:8443/"] {
        let led = led(&rules, location).unwrap();
        let mut names: Vec<_> = led.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "connection", "range", "user-agent"], "{location}");
    }
}

#[test]
fn nowhere_is_not_gone_to() {
    let rules = rules(&["https://a.test"]);
    for location in ["https://b.test/hidden?hidden", "http://a.test/hidden", "https://a.test:1/hidden"] {
        let Err(Failure::RedirectedAway { to }) = led(&rules, location) else { panic!("{location}") };
        assert!(to.starts_with("GET@http") && !to.contains("hidden"), "{to}");
    }
    let long = format!("/{}", "x".repeat(MAX_URL_BYTES));
    for location in ["ftp://a.test/", "javascript:hidden", "https://u:hidden@a.test/", "https://[/", &long] {
        let Err(Failure::BadRedirect(why)) = led(&rules, location) else { panic!("{location}") };
        assert!(!why.contains("hidden"), "{why}");
    }
}
