//! `curl`, as far as an agent needs it: the host makes the request, and only where the agent may send one.

use std::{fs, io::Write as _};

use agent::{Error, Request, Response};

use super::{
    describe, locate, misuse, options,
    streams::{Out, open, read_all},
};
use crate::command::{Call, Failure};

/// Longest body that is sent, bytes: what the host takes.
const MAX_DATA_BYTES: usize = 1 << 20;

const LONG: &[(&str, char)] = &[
    ("data=", 'd'),
    ("data-binary=", 'd'),
    ("fail", 'f'),
    ("head", 'I'),
    ("header=", 'H'),
    ("include", 'i'),
    ("location", 'L'),
    ("max-time=", 'm'),
    ("output=", 'o'),
    ("request=", 'X'),
    ("show-error", 'S'),
    ("silent", 's'),
];

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "d:fIH:iLm:o:SsX:", LONG)?;
    let [url] = options.operands.as_slice() else { return Err(misuse(call, "one URL is needed")) };
    let mut out = Out::new(call);
    let mut data: Option<Vec<u8>> = None;
    for (_, value) in options.found.iter().filter(|(option, _)| *option == 'd') {
        let part = self::data(call, &mut out, value).await?;
        match &mut data {
            Some(data) => {
                data.push(b'&');
                data.extend(part);
            }
            None => data = Some(part),
        }
    }
    let method = match (options.value('X'), options.has('I'), &data) {
        (Some(method), ..) => method.to_owned(),
        (None, true, _) => "HEAD".to_owned(),
        (None, false, Some(_)) => "POST".to_owned(),
        (None, false, None) => "GET".to_owned(),
    };
    // As a browser would have it, when nobody says.
    let url = if url.contains("://") { url.clone() } else { format!("https://{url}") };
    let mut request = Request::new(&method, &url);
    let mut typed = false;
    for (_, header) in options.found.iter().filter(|(option, _)| *option == 'H') {
        let Some((name, value)) = header.split_once(':') else {
            return Err(misuse(call, format_args!("{header:?} is no header: it needs a colon")));
        };
        typed |= name.eq_ignore_ascii_case("content-type");
        request = request.header(name.trim(), value.trim());
    }
    if let Some(data) = data {
        if !typed {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        request = request.body(data);
    }
    if let Some(seconds) = options.value('m') {
        let seconds =
            seconds.parse().ok().and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
        let Some(time) = seconds else { return Err(misuse(call, "a time is in seconds")) };
        request = request.timeout(time);
    }
    match agent::fetch(request).await {
        Ok(response) => shown(call, &options, &mut out, response).await?,
        Err(error) => return Err(Failure::Message(status(&error), error.to_string())),
    }
    out.finish().await
}

/// What `-d` says: bytes, or `@` and where they are.
async fn data(call: &Call, out: &mut Out<'_>, value: &str) -> Result<Vec<u8>, Failure> {
    let Some(path) = value.strip_prefix('@') else { return Ok(value.as_bytes().to_vec()) };
    let reader = match path {
        "-" => call.stdin.clone(),
        path => {
            open(call, path).map_err(|error| Failure::Message(26, format!("{path}: {}", describe(&error))))?
        }
    };
    read_all(out, &reader, MAX_DATA_BYTES).await
}

async fn shown(
    call: &Call,
    options: &options::Options,
    out: &mut Out<'_>,
    response: Response,
) -> Result<(), Failure> {
    let Response { status, headers, body } = response;
    if options.has('f') && status >= 400 {
        return Err(Failure::Message(22, format!("the server answered {status}")));
    }
    if options.has('i') || options.has('I') {
        out.put(format!("HTTP/1.1 {status}\n")).await?;
        for header in &headers {
            out.put(format!("{}: {}\n", header.name, String::from_utf8_lossy(&header.value))).await?;
        }
        out.put("\n").await?;
    }
    match options.value('o') {
        Some("/dev/null") => Ok(()),
        Some(path) => {
            let written = fs::File::create(locate(call, path)).and_then(|mut file| file.write_all(&body));
            written.map_err(|error| Failure::Message(23, format!("{path}: {}", describe(&error))))
        }
        None => {
            let ends = body.is_empty() || body.ends_with(b"\n");
            out.put(body).await?;
            // The prompt begins at a line of its own.
            if out.is_terminal() && !ends { out.put("\n").await } else { Ok(()) }
        }
    }
}

/// The numbers of curl's manual, where it has one for it.
fn status(error: &Error) -> u8 {
    use agent::types::{FailureCode, RefusalCode};
    match error {
        Error::Refused(refusal) => match refusal.code {
            RefusalCode::Invalid => 3,
            _ => 7,
        },
        Error::Failed(failure) => match failure.code {
            FailureCode::Timeout => 28,
            FailureCode::Unreachable => 7,
            FailureCode::TooLarge => 63,
            _ => 56,
        },
        Error::Cancelled(_) => 42,
        Error::OutcomeUnknown(_) => 52,
    }
}
