//! Small ones about the surroundings: `env`, `whoami`, `id`, `hostname`, `uname`, `clear`.

use super::{misuse, options, streams::Out};
use crate::command::{Call, Failure};

/// The user that everything in a workspace belongs to, unless `USER` says otherwise.
const USER: &str = "agent";

fn user(call: &Call) -> &str {
    call.env.get("USER").map_or(USER, String::as_str)
}

/// `env` and `printenv`: prints exported variables. Running a command in a changed environment is the
/// shell's own `NAME=value command`.
pub(crate) async fn env(call: &Call) -> Result<u8, Failure> {
    let long = [("ignore-environment", 'i'), ("null", '0'), ("unset=", 'u')];
    let options = options::parse(call, "+i0u:", &long)?;
    let end = if options.has('0') { '\0' } else { '\n' };
    let mut variables = if options.has('i') { Default::default() } else { call.env.clone() };
    for (_, name) in options.found.iter().filter(|(c, _)| *c == 'u') {
        variables.remove(name);
    }
    for operand in &options.operands {
        let Some((name, value)) = operand.split_once('=') else {
            let text = format!("running '{operand}' is not supported: write NAME=value {operand} instead");
            return Err(Failure::Message(125, text));
        };
        variables.insert(name.to_owned(), value.to_owned());
    }
    let mut out = Out::new(call);
    for (name, value) in variables {
        out.put(format!("{name}={value}{end}")).await?;
    }
    out.finish().await
}

/// `printenv`.
pub(crate) async fn printenv(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "+0", &[("null", '0')])?;
    if options.operands.is_empty() {
        return env(call).await;
    }
    let end = if options.has('0') { '\0' } else { '\n' };
    let mut out = Out::new(call);
    for name in &options.operands {
        match call.env.get(name) {
            Some(value) => out.put(format!("{value}{end}")).await?,
            None => out.status = 1,
        }
    }
    out.finish().await
}

/// `whoami`.
pub(crate) async fn whoami(call: &Call) -> Result<u8, Failure> {
    let mut out = Out::new(call);
    out.put(format!("{}\n", user(call))).await?;
    out.finish().await
}

/// `id`.
pub(crate) async fn id(call: &Call) -> Result<u8, Failure> {
    let options =
        options::parse(call, "Ggnru", &[("user", 'u'), ("group", 'g'), ("groups", 'G'), ("name", 'n')])?;
    let name = user(call);
    let mut out = Out::new(call);
    match (options.last_of("ugG"), options.has('n')) {
        (None, _) => out.put(format!("uid=1000({name}) gid=1000({name}) groups=1000({name})\n")).await?,
        (Some(_), true) => out.put(format!("{name}\n")).await?,
        (Some(_), false) => out.put("1000\n").await?,
    }
    out.finish().await
}

/// `hostname`: the agent's name, as far as its variables tell.
pub(crate) async fn hostname(call: &Call) -> Result<u8, Failure> {
    let mut out = Out::new(call);
    out.put(format!("{}\n", host(call))).await?;
    out.finish().await
}

fn host(call: &Call) -> &str {
    call.env.get("HOSTNAME").map_or("openclaw", String::as_str)
}

/// `uname`.
pub(crate) async fn uname(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "amnoprsv", &[("all", 'a')])?;
    if let Some(extra) = options.operands.first() {
        return Err(misuse(call, format_args!("extra operand '{extra}'")));
    }
    let parts = [
        ('s', "OpenClaw"),
        ('n', host(call)),
        ('r', env!("CARGO_PKG_VERSION")),
        ('v', "wasip2"),
        ('m', "wasm32"),
        ('o', "WASI"),
    ];
    let wanted =
        |flag: char| options.has('a') || options.has(flag) || flag == 's' && options.found.is_empty();
    let words: Vec<&str> = parts.iter().filter(|(flag, _)| wanted(*flag)).map(|(_, word)| *word).collect();
    let mut out = Out::new(call);
    out.put(format!("{}\n", words.join(" "))).await?;
    out.finish().await
}

/// `clear`: the screen and what scrolled off it.
pub(crate) async fn clear(call: &Call) -> Result<u8, Failure> {
    let mut out = Out::new(call);
    out.put("\x1b[H\x1b[2J\x1b[3J").await?;
    out.finish().await
}
