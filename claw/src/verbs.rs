//! The client's verbs.

pub(crate) mod agents;
pub(crate) mod fleet;
pub(crate) mod hooks;
pub(crate) mod life;
pub(crate) mod logs;
pub(crate) mod spawn;
pub(crate) mod tokens;

use crate::failure::Failure;

/// `KEY=VALUE`, as an argument gives it.
fn pair<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.ok_or_else(|| Failure::Usage(format!("{option} {text}: expected a name, = and a value")))
}
