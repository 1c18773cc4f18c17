//! What a spawn may ask for. Every field is looked at, so that a caller learns of all mistakes at once.

use std::{collections::BTreeMap, ops::RangeInclusive};

use wire::{
    agent::{
        Limits, MAX_CONFIG_BYTES, MAX_ENV, MAX_ENV_BYTES, MAX_METADATA, MAX_METADATA_BYTES, MAX_NAME_BYTES,
        SpawnRequest,
    },
    egress::{MAX_RULES, Rule},
    message::MAX_RECIPIENTS,
    problem::FieldError,
};

use crate::error::Error;

/// Longest `image`, bytes: a digest has 71.
const MAX_IMAGE_BYTES: usize = 128;
const MEMORY_MIB: RangeInclusive<u64> = 1..=1024;
const FUEL_PER_SECOND: RangeInclusive<u64> = 1_000_000..=10_000_000_000;
const DISK_MIB: RangeInclusive<u64> = 1..=10_240;
const WALL_SECONDS: RangeInclusive<u64> = 0..=86_400;
const YEAR_SECONDS: RangeInclusive<u64> = 1..=31_536_000;

/// Mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<FieldError>);

impl Mistakes {
    /// Notes one when `ok` is false.
    pub(crate) fn unless(&mut self, ok: bool, pointer: impl Into<String>, detail: impl Into<String>) {
        if !ok {
            self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        }
    }

    /// A text for people: not empty, bounded, nothing that moves a cursor.
    pub(crate) fn text(&mut self, value: &str, max: usize, pointer: &str) {
        self.unless(!value.is_empty(), pointer, "must not be empty");
        self.unless(value.len() <= max, pointer, format!("must be at most {max} bytes"));
        self.unless(!value.chars().any(char::is_control), pointer, "must not contain control characters");
    }

    fn range(&mut self, value: u64, range: &RangeInclusive<u64>, pointer: &str) {
        let detail = || format!("must be from {} to {}", range.start(), range.end());
        if !range.contains(&value) {
            self.unless(false, pointer, detail());
        }
    }

    /// What an agent may use.
    pub(crate) fn limits(&mut self, limits: &Limits) {
        let Limits { memory_mib, fuel_per_second, disk_mib, wall_seconds } = *limits;
        self.range(memory_mib.into(), &MEMORY_MIB, "/limits/memory_mib");
        self.range(fuel_per_second, &FUEL_PER_SECOND, "/limits/fuel_per_second");
        self.range(disk_mib.into(), &DISK_MIB, "/limits/disk_mib");
        self.range(wall_seconds.into(), &WALL_SECONDS, "/limits/wall_seconds");
    }

    /// How long an agent may live, seconds.
    pub(crate) fn lifetime(&mut self, seconds: u32) {
        self.range(seconds.into(), &YEAR_SECONDS, "/max_lifetime_seconds");
    }

    /// How long an agent may be idle until it is suspended, seconds.
    pub(crate) fn idle(&mut self, seconds: u32) {
        self.range(seconds.into(), &YEAR_SECONDS, "/idle_timeout_seconds");
    }

    /// Where requests may be sent to: where those of `parent` may, if there is one.
    pub(crate) fn egress(&mut self, rules: &[Rule], parent: Option<&[Rule]>) {
        self.unless(rules.len() <= MAX_RULES, "/egress", format!("must have at most {MAX_RULES} entries"));
        for (index, rule) in rules.iter().enumerate().take(MAX_RULES) {
            let pointer = format!("/egress/{index}");
            if let Err(wrong) = rule.check() {
                self.unless(false, pointer.as_str(), wrong.to_string());
            }
            let within = parent.is_none_or(|wider| rule.is_within(wider));
            self.unless(within, pointer, "the agent itself may not send requests there");
        }
    }

    /// The caller's own pairs.
    pub(crate) fn pairs(&mut self, pairs: &BTreeMap<String, String>, most: usize, max: usize, root: &str) {
        self.unless(pairs.len() <= most, root, format!("must have at most {most} entries"));
        for (key, value) in pairs.iter().take(most) {
            let pointer = format!("{root}/{}", escape(key.get(..64).unwrap_or(key)));
            let plain = |text: &str| text.len() <= max && !text.contains('\0');
            self.unless(!key.is_empty(), &*pointer, "its name must not be empty");
            self.unless(plain(key), &*pointer, format!("its name must be at most {max} bytes without NUL"));
            self.unless(
                !key.chars().any(char::is_control),
                &*pointer,
                "its name must not contain control characters",
            );
            self.unless(plain(value), &*pointer, format!("must be at most {max} bytes without NUL"));
        }
    }

    /// Ok when there are none.
    pub(crate) fn none(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::validation(self.0)) }
    }
}

/// Checks a spawn's body; `config` is the JSON text of its `config`.
pub(crate) fn spawn(request: &SpawnRequest, config: &str) -> Result<(), Error> {
    let mut mistakes = Mistakes::default();
    mistakes.text(&request.image, MAX_IMAGE_BYTES, "/image");
    if let Some(name) = &request.name {
        mistakes.text(name, MAX_NAME_BYTES, "/name");
    }
    let fits = config.len() <= MAX_CONFIG_BYTES;
    mistakes.unless(fits, "/config", format!("must be at most {MAX_CONFIG_BYTES} bytes of JSON"));
    mistakes.pairs(&request.env, MAX_ENV, MAX_ENV_BYTES, "/env");
    for name in request.env.keys().filter(|name| name.contains('=')) {
        mistakes.unless(false, format!("/env/{}", escape(name)), "its name must not contain `=`");
    }
    mistakes.pairs(&request.metadata, MAX_METADATA, MAX_METADATA_BYTES, "/metadata");
    if let Some(limits) = &request.limits {
        mistakes.limits(limits);
    }
    if let Some(seconds) = request.max_lifetime_seconds {
        mistakes.lifetime(seconds);
    }
    if let Some(seconds) = request.idle_timeout_seconds {
        mistakes.idle(seconds);
    }
    let fits = request.send_to.len() <= MAX_RECIPIENTS;
    mistakes.unless(fits, "/send_to", format!("must have at most {MAX_RECIPIENTS} entries"));
    mistakes.egress(&request.egress, None);
    mistakes.none()
}

/// A name as a part of a JSON Pointer (RFC 6901).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(request: &SpawnRequest) -> Vec<String> {
        let config = request.config.as_ref().map_or_else(|| "null".to_owned(), ToString::to_string);
        spawn(request, &config)
            .err()
            .map(|e| e.errors.into_iter().map(|e| e.pointer).collect())
            .unwrap_or_default()
    }

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    fn request() -> SpawnRequest {
        SpawnRequest { image: "shell".to_owned(), ..SpawnRequest::default() }
    }

    #[test]
    fn a_plain_request_is_fine() {
        assert_eq!(pointers(&request()), [""; 0]);
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut bad = SpawnRequest {
            image: String::new(),
            name: Some("a".repeat(10_000)),
            config: Some("x".repeat(MAX_CONFIG_BYTES).into()),
            limits: Some(Limits {
                memory_mib: 0,
                fuel_per_second: 1,
                disk_mib: 10_241,
                wall_seconds: 86_401,
            }),
            max_lifetime_seconds: Some(0),
            idle_timeout_seconds: Some(31_536_001),
            send_to: vec![wire::message::Recipient::Tenant; MAX_RECIPIENTS + 1],
            egress: vec![rule("a.b"), Rule { port: Some(0), ..rule("a.b") }],
            ..request()
        };
        bad.env.insert("A=B".to_owned(), String::new());
        bad.metadata.insert("a/b~c".to_owned(), "v".repeat(MAX_METADATA_BYTES + 1));
        let expected = [
            "/image",
            "/name",
            "/config",
            "/env/A=B",
            "/metadata/a~1b~0c",
            "/limits/memory_mib",
            "/limits/fuel_per_second",
            "/limits/disk_mib",
            "/limits/wall_seconds",
            "/max_lifetime_seconds",
            "/idle_timeout_seconds",
            "/send_to",
            "/egress/1",
        ];
        assert_eq!(pointers(&bad), expected);
    }

    #[test]
    fn control_characters_are_refused() {
        let bad = SpawnRequest { name: Some("a\u{1b}[2J".to_owned()), ..request() };
        assert_eq!(pointers(&bad), ["/name"]);
    }

    #[test]
    fn too_many_pairs_are_one_mistake() {
        let mut bad = request();
        bad.metadata = (0..100).map(|i| (i.to_string(), String::new())).collect();
        assert_eq!(pointers(&bad), ["/metadata"]);
    }
}
