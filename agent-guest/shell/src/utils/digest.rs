//! `sha256sum`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{
    options,
    streams::{Lines, Out, chomp, open, or_stdin},
};
use crate::{
    command::{Call, Failure},
    io::Reader,
};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long =
        [("binary", 'b'), ("check", 'c'), ("text", 't'), ("quiet", 'q'), ("status", 's'), ("tag", 'T')];
    let options = options::parse(call, "bct", &long)?;
    let mut out = Out::new(call);
    for operand in or_stdin(&options.operands) {
        let Some(reader) = out.open(operand).await? else { continue };
        if options.has('c') {
            check(call, operand, reader, options.has('q'), options.has('s'), &mut out).await?;
            continue;
        }
        let sum = sum(&mut out, &reader).await?;
        let mark = if options.has('b') { '*' } else { ' ' };
        match options.has('T') {
            true => out.put(format!("SHA256 ({operand}) = {sum}\n")).await?,
            false => out.put(format!("{sum} {mark}{operand}\n")).await?,
        }
    }
    out.finish().await
}

async fn sum(out: &mut Out<'_>, reader: &Reader) -> Result<String, Failure> {
    let mut hash = Sha256::new();
    loop {
        out.before_read().await?;
        let bytes = reader.read().await?;
        if bytes.is_empty() {
            break;
        }
        hash.update(&bytes);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Checks a list of sums as `sha256sum` prints them.
async fn check(
    call: &Call,
    operand: &str,
    reader: Reader,
    quiet: bool,
    silent: bool,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let mut lines = Lines::new(reader);
    let mut line = Vec::new();
    let (mut valid, mut malformed, mut unreadable, mut wrong) = (0_u64, 0_u64, 0_u64, 0_u64);
    while lines.next(out, &mut line).await? {
        let text = String::from_utf8_lossy(chomp(&line)).into_owned();
        let parsed = text.split_at_checked(64).and_then(|(sum, rest)| {
            let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
            sum.bytes().all(|b| b.is_ascii_hexdigit()).then_some((sum, name))
        });
        let Some((expected, name)) = parsed else {
            malformed += 1;
            continue;
        };
        valid += 1;
        let verdict = match open(call, name) {
            Err(error) => {
                out.complain(format_args!("{name}: {}", super::describe(&error))).await?;
                unreadable += 1;
                "FAILED open or read"
            }
            Ok(reader) if sum(out, &reader).await?.eq_ignore_ascii_case(expected) => "OK",
            Ok(_) => {
                wrong += 1;
                "FAILED"
            }
        };
        if !(silent || quiet && verdict == "OK") {
            out.put(format!("{name}: {verdict}\n")).await?;
        }
    }
    if valid == 0 {
        let operand = if operand == "-" { "'standard input'" } else { operand };
        return out.complain(format_args!("{operand}: no properly formatted checksum lines found")).await;
    }
    let warnings = [
        (malformed, "line is improperly formatted", "lines are improperly formatted", false),
        (unreadable, "listed file could not be read", "listed files could not be read", true),
        (wrong, "computed checksum did NOT match", "computed checksums did NOT match", true),
    ];
    for (count, one, many, fails) in warnings {
        if count > 0 && !silent {
            let before = out.status;
            out.complain(format_args!("WARNING: {count} {}", if count == 1 { one } else { many })).await?;
            out.status = if fails { 1 } else { before };
        } else if count > 0 && fails {
            out.status = 1;
        }
    }
    Ok(())
}
