//! `sed`.

use std::{
    fs::{self, File},
    io,
};

use super::{
    describe, locate, misuse, name_of,
    options::{self, Options},
    streams::{Out, open, or_stdin, read_all},
};
use crate::{
    command::{Call, Failure},
    io::{Reader, Writer},
};

mod machine;
mod script;
mod substitute;

use machine::{Input, Machine};

/// Longest script.
const SCRIPT_BYTES: usize = 1024 * 1024;

const LONG: &[(&str, char)] = &[
    ("quiet", 'n'),
    ("silent", 'n'),
    ("expression=", 'e'),
    ("file=", 'f'),
    ("regexp-extended", 'E'),
    ("in-place=?", 'i'),
    ("separate", 's'),
    ("null-data", 'z'),
    ("unbuffered", 'u'),
];

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let mut options = options::parse(call, "nEre:f:i::szu", LONG)?;
    let mut out = Out::new(call);
    let text = script_text(call, &mut options, &mut out).await?;
    let extended = options.last_of("Er").is_some();
    let script =
        script::parse(&text, extended, options.has('n')).map_err(|text| Failure::Message(1, text))?;
    let end = if options.has('z') { 0 } else { b'\n' };
    let mut machine = Machine::new(call, script, end)?;
    if options.has('i') {
        return in_place(call, &options, &mut machine, out).await;
    }
    if options.has('s') {
        for operand in or_stdin(&options.operands) {
            if machine.quit.is_none() {
                machine.run(Input::new(&[operand], end), &mut out).await?;
            }
        }
    } else {
        machine.run(Input::new(&or_stdin(&options.operands), end), &mut out).await?;
    }
    machine.finish().await?;
    out.status = machine.quit.unwrap_or(out.status);
    out.finish().await
}

async fn script_text(call: &Call, options: &mut Options, out: &mut Out<'_>) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for (letter, value) in &options.found {
        match letter {
            'e' => parts.push(value.clone()),
            'f' => {
                let reader = open(call, value).map_err(|error| {
                    Failure::Message(1, format!("couldn't open file {value}: {}", describe(&error)))
                })?;
                let bytes = read_all(out, &reader, SCRIPT_BYTES).await?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                parts.push(text.strip_suffix('\n').unwrap_or(&text).to_owned());
            }
            _ => {}
        }
    }
    if parts.is_empty() {
        if options.operands.is_empty() {
            return Err(misuse(call, "no script specified"));
        }
        parts.push(options.operands.remove(0));
    }
    Ok(parts.join("\n"))
}

/// Each file is written beside itself and then takes its own place: an edit that fails changes nothing.
async fn in_place(
    call: &Call,
    options: &Options,
    machine: &mut Machine<'_>,
    mut out: Out<'_>,
) -> Result<u8, Failure> {
    let suffix = options.value('i').unwrap_or_default();
    for operand in &options.operands {
        if machine.quit.is_some() {
            break;
        }
        let path = locate(call, operand);
        let temporary = path.with_file_name(format!(".{}.sed", name_of(&path)));
        let opened = fs::metadata(&path).and_then(|metadata| {
            if metadata.is_file() { Ok(()) } else { Err(io::Error::other("not a regular file")) }
        });
        let opened = opened.and_then(|()| Ok((File::open(&path)?, File::create(&temporary)?)));
        let (from, to) = match opened {
            Ok(files) => files,
            Err(error) => {
                let verb = if path.is_file() { "couldn't edit" } else { "can't read" };
                out.complain_with(2, format_args!("{verb} {operand}: {}", describe(&error))).await?;
                continue;
            }
        };
        let mut edited = Out::to(call, Writer::to_file(to));
        let result = machine.run(Input::open(Reader::from_file(from), machine.end), &mut edited).await;
        let result = match result {
            Ok(()) => edited.finish().await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = result {
            // The file itself is untouched; what cannot be removed is only in the way.
            let _ = fs::remove_file(&temporary);
            return Err(failure);
        }
        let kept = if suffix.is_empty() {
            Ok(())
        } else {
            fs::rename(&path, path.with_file_name(format!("{}{suffix}", name_of(&path))))
        };
        out.check(operand, kept.and_then(|()| fs::rename(&temporary, &path))).await?;
    }
    machine.finish().await?;
    out.status = machine.quit.unwrap_or(out.status);
    out.finish().await
}
