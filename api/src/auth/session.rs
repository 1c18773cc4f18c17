//! Console sign-in: a one-time code is exchanged for a cookie; the store holds the hashes of both.
//!
//! Both are a [`Secret`]: `Secret::random()` to make one, `expose` for the client, `hash` for the store.

use jiff::{SignedDuration, Timestamp};

use super::secret::Secret;

/// The cookie's name. Sent with `HttpOnly; SameSite=Strict; Path=/`, and `Secure` behind TLS.
pub const COOKIE: &str = "claw_session";
/// How long a cookie works.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// How long a one-time code works.
pub const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// When something made now with this life stops working.
#[must_use]
pub fn expiry(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.checked_add(life).unwrap_or(Timestamp::MAX)
}

/// The session's secret in the value of a `cookie` header; `None` when there is none or it cannot be
/// one. The first of several counts.
#[must_use]
pub fn cookie(header: &str) -> Option<Secret> {
    header
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
        .and_then(Secret::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let secret = Secret::random();
        let header = format!("theme=dark; {COOKIE}={}; other=1", secret.expose());
        assert!(cookie(&header).unwrap().matches(&secret.hash()));
    }

    #[test]
    fn another_cookie_is_not_taken_for_it() {
        let secret = Secret::random();
        assert!(cookie(&format!("x{COOKIE}={}", secret.expose())).is_none());
        assert!(cookie(&format!("{COOKIE}=1; {COOKIE}={}", secret.expose())).is_none());
        assert!(cookie("").is_none());
    }

    #[test]
    fn an_expiry_does_not_overflow() {
        assert_eq!(expiry(Timestamp::MAX, SESSION_LIFE), Timestamp::MAX);
        assert_eq!(expiry(Timestamp::UNIX_EPOCH, CODE_LIFE).as_second(), 600);
    }
}
