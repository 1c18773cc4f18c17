//! `basename` and `dirname`.

use super::{misuse, options, streams::Out};
use crate::command::{Call, Failure};

/// `basename`.
pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "+as:z", &[("multiple", 'a'), ("suffix=", 's'), ("zero", 'z')])?;
    let many = options.last_of("as").is_some();
    let (names, suffix) = match &options.operands[..] {
        [] => return Err(misuse(call, "missing operand")),
        names if many => (names, options.value('s').unwrap_or_default()),
        [name] => (std::slice::from_ref(name), ""),
        [name, suffix] => (std::slice::from_ref(name), suffix.as_str()),
        [_, _, extra, ..] => return Err(misuse(call, format_args!("extra operand '{extra}'"))),
    };
    let mut out = Out::new(call);
    for name in names {
        let trimmed = name.trim_end_matches('/');
        let base = match trimmed.rsplit('/').next() {
            Some("") | None => &name[..name.len().min(1)],
            Some(base) => base,
        };
        let base = base.strip_suffix(suffix).filter(|rest| !rest.is_empty()).unwrap_or(base);
        out.put(format!("{base}{}", end(&options))).await?;
    }
    out.finish().await
}

/// `dirname`.
pub(crate) async fn dirname(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "+z", &[("zero", 'z')])?;
    if options.operands.is_empty() {
        return Err(misuse(call, "missing operand"));
    }
    let mut out = Out::new(call);
    for name in &options.operands {
        let trimmed = name.trim_end_matches('/');
        let directory = match trimmed.rsplit_once('/') {
            None if trimmed.is_empty() && !name.is_empty() => "/",
            None => ".",
            Some((parent, _)) => match parent.trim_end_matches('/') {
                "" => "/",
                parent => parent,
            },
        };
        out.put(format!("{directory}{}", end(&options))).await?;
    }
    out.finish().await
}

fn end(options: &options::Options) -> char {
    if options.has('z') { '\0' } else { '\n' }
}
