//! Where an agent may send requests to. Nothing is granted by default.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Most rules of an agent.
pub const MAX_RULES: usize = 64;
/// Longest host of a rule, bytes (RFC 1035, 2.3.4).
pub const MAX_HOST_BYTES: usize = 253;
/// Most methods of a rule.
pub const MAX_METHODS: usize = 16;
/// Longest method, bytes.
pub const MAX_METHOD_BYTES: usize = 20;
/// Longest body of a request or of an answer, bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Headers of a request or of an answer.
pub const MAX_HEADERS: usize = 64;
/// Bytes of all those headers' names and values.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Longest URL, bytes.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// In the open.
    Http,
    /// Over TLS.
    #[default]
    Https,
}

impl Scheme {
    /// As a URL begins.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is said.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One entry of an allow-list. In text: `https://host`, `http://*.host:8080`, `POST,GET@https://host`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `https` unless said.
    #[serde(default)]
    pub scheme: Scheme,
    /// A name such as `api.example.com`; `*.example.com` for any name below that one, and not itself; or a literal
    /// address. Lower case, in ASCII.
    pub host: String,
    /// The scheme's own unless said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub port: Option<u16>,
    /// `GET` and `HEAD` unless said.
    #[serde(default = "reading")]
    pub methods: Vec<String>,
}

/// Methods that only read: their requests may be made again whatever became of them (RFC 9110, 9.2.1).
const READING: [&str; 2] = ["GET", "HEAD"];

fn reading() -> Vec<String> {
    READING.map(str::to_owned).to_vec()
}

/// Whether requests of a method may be made again, and so leave before anything holds them.
#[must_use]
pub fn is_repeatable(method: &str) -> bool {
    READING.contains(&method)
}

/// Whether this could be a method: a word in upper case of at most [`MAX_METHOD_BYTES`] letters.
#[must_use]
pub fn is_method(word: &str) -> bool {
    (1..=MAX_METHOD_BYTES).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase())
}

/// Whether a method is nobody's: it makes a tunnel, or shows what others added.
#[must_use]
pub fn is_forbidden(method: &str) -> bool {
    matches!(method, "CONNECT" | "TRACE")
}

/// Whether headers, by the bytes of each one's name and value together, are within [`MAX_HEADERS`] and
/// [`MAX_HEADER_BYTES`].
#[must_use]
pub fn headers_fit(mut bytes: impl Iterator<Item = usize>) -> bool {
    let all = bytes.try_fold((0, 0), |(count, sum), one| {
        let next = (count + 1, sum + one);
        (next.0 <= MAX_HEADERS && next.1 <= MAX_HEADER_BYTES).then_some(next)
    });
    all.is_some()
}

/// Why something is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRule(Cow<'static, str>);

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRule {}

impl Rule {
    /// The port requests go to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme.port())
    }

    /// Whether a request is covered by this rule. `host` is lower case; a literal IPv6 address has no brackets.
    #[must_use]
    pub fn covers(&self, method: &str, scheme: Scheme, host: &str, port: u16) -> bool {
        self.scheme == scheme
            && self.port() == port
            && self.methods.iter().any(|granted| granted == method)
            && covers(&self.host, host)
    }

    /// Whether every request this covers is covered by one of `rules`.
    #[must_use]
    pub fn is_within(&self, rules: &[Self]) -> bool {
        let host_within = |wider: &Self| match (self.host.strip_prefix('*'), wider.host.strip_prefix('*')) {
            (Some(below), Some(wide)) => below.ends_with(wide),
            (Some(_), None) => false,
            (None, _) => covers(&wider.host, &self.host),
        };
        self.methods.iter().all(|method| {
            rules.iter().any(|wider| {
                wider.scheme == self.scheme
                    && wider.port() == self.port()
                    && wider.methods.contains(method)
                    && host_within(wider)
            })
        })
    }

    /// Whether it is within its bounds and can ever match.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), BadRule> {
        let name = self.host.strip_prefix("*.").unwrap_or(&self.host);
        let wild = name.len() < self.host.len();
        let address = name.parse::<std::net::IpAddr>().is_ok();
        if name.is_empty() || self.host.len() > MAX_HOST_BYTES {
            return Err(BadRule(format!("a host has 1 to {MAX_HOST_BYTES} bytes").into()));
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
        // What ends in a number is an address, whatever it looks like (WHATWG URL, 3.5).
        let number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let labels = !number && name.split('.').all(|label| (1..=63).contains(&label.len()));
        let is_name = labels && name.bytes().all(plain);
        if !address && !is_name {
            return Err(BadRule(Cow::Borrowed(
                "a host is a name in lower case (an international one as xn--…), `*.` and a name, or an address",
            )));
        }
        if wild && (address || !name.contains('.')) {
            return Err(BadRule(Cow::Borrowed(
                "a wildcard needs a name of two parts or more: *.example.com",
            )));
        }
        if self.port == Some(0) {
            return Err(BadRule(Cow::Borrowed("a port is 1 to 65535")));
        }
        let are_methods = self.methods.iter().all(|method| is_method(method));
        if !(1..=MAX_METHODS).contains(&self.methods.len()) || !are_methods {
            return Err(BadRule(
                format!(
                    "methods are 1 to {MAX_METHODS} words in upper case of at most {MAX_METHOD_BYTES} letters"
                )
                .into(),
            ));
        }
        if self.methods.iter().any(|method| is_forbidden(method)) {
            return Err(BadRule(Cow::Borrowed("CONNECT and TRACE cannot be granted")));
        }
        Ok(())
    }
}

fn covers(granted: &str, host: &str) -> bool {
    match granted.strip_prefix('*') {
        // What is left begins with the dot.
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => granted == host,
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.methods != reading() {
            write!(f, "{}@", self.methods.join(","))?;
        }
        write!(f, "{}://", self.scheme.as_str())?;
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let (methods, url) = match text.split_once('@') {
            Some((methods, url)) => (methods.split(',').map(str::to_owned).collect(), url),
            None => (reading(), text),
        };
        let (scheme, rest) = match url.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(_) => return Err(BadRule(Cow::Borrowed("a scheme is http or https"))),
            None => (Scheme::Https, url),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| port.parse().map_err(|_| BadRule(Cow::Borrowed("a port is 1 to 65535"))));
        let rule = Self { scheme, host: host.to_owned(), port: port.transpose()?, methods };
        rule.check()?;
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_covers_what_it_says_and_nothing_beside() {
        let exact = rule("https://api.example.com");
        assert!(exact.covers("GET", Scheme::Https, "api.example.com", 443));
        for (method, scheme, host, port) in [
            ("POST", Scheme::Https, "api.example.com", 443),
            ("GET", Scheme::Http, "api.example.com", 443),
            ("GET", Scheme::Https, "api.example.com", 8443),
            ("GET", Scheme::Https, "x.api.example.com", 443),
            ("GET", Scheme::Https, "api.example.com.evil.org", 443),
            ("get", Scheme::Https, "api.example.com", 443),
        ] {
            assert!(!exact.covers(method, scheme, host, port), "{method} {host}:{port}");
        }
        let wild = rule("GET,POST@http://*.example.com:8080");
        assert!(wild.covers("POST", Scheme::Http, "a.b.example.com", 8080));
        for host in ["example.com", ".example.com", "badexample.com", "example.com.org"] {
            assert!(!wild.covers("POST", Scheme::Http, host, 8080), "{host}");
        }
        assert!(rule("http://[::1]:80").covers("HEAD", Scheme::Http, "::1", 80));
    }

    #[test]
    fn a_rule_is_within_wider_ones() {
        let wide = [rule("GET,POST@https://*.example.com"), rule("GET@http://example.com:81")];
        for within in
            ["https://a.example.com", "POST@https://*.b.example.com", "GET,POST@https://*.example.com"]
        {
            let within = rule(within);
            assert_eq!(within.is_within(&wide), !within.methods.contains(&"HEAD".to_owned()), "{within}");
        }
        assert!(rule("GET@http://example.com:81").is_within(&wide));
        for beyond in [
            "GET@https://example.com",
            "PUT@https://a.example.com",
            "GET@http://example.com",
            "GET@https://*.example.org",
        ] {
            assert!(!rule(beyond).is_within(&wide), "{beyond}");
        }
        assert!(
            !rule("GET@https://*.a.com").is_within(&[rule("GET@https://a.com"), rule("GET@https://b.a.com")])
        );
    }

    #[test]
    fn headers_have_bounds_by_count_and_by_bytes() {
        assert!(headers_fit(std::iter::repeat_n(MAX_HEADER_BYTES / MAX_HEADERS, MAX_HEADERS)));
        assert!(!headers_fit(std::iter::repeat_n(0, MAX_HEADERS + 1)));
        assert!(headers_fit([MAX_HEADER_BYTES].into_iter()));
        assert!(!headers_fit([MAX_HEADER_BYTES, 1].into_iter()));
    }

    #[test]
    fn what_is_no_rule_says_why() {
        for (text, why) in [
            ("", "1 to 253"),
            ("ftp://a", "http or https"),
            ("https://a b", "lower case"),
            ("https://Example.com", "lower case"),
            ("https://*.com", "two parts"),
            ("https://*.1.2.3.4", "two parts"),
            ("https://*.0.0.1", "lower case"),
            ("https://2130706433", "lower case"),
            ("https://a*b.com", "lower case"),
            ("https://a..b", "lower case"),
            ("https://a:0", "1 to 65535"),
            ("https://a:70000", "1 to 65535"),
            ("get@https://a", "upper case"),
            ("CONNECT@https://a", "cannot be granted"),
            ("https://a/path", "lower case"),
        ] {
            let said = text.parse::<Rule>().unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_rule_is_read_as_it_is_shown() {
        for text in ["https://a.b", "POST@http://*.a.b:81", "http://[::1]:8080", "GET@https://10.0.0.1"] {
            assert_eq!(rule(text).to_string(), text);
        }
        let json: Rule = serde_json::from_str(r#"{"host":"a.b"}"#).unwrap();
        assert_eq!(json, rule("a.b"));
    }
}
