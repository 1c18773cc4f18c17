//! `echo` and the escapes of `%b`.

use crate::{
    shell::{Flow, Shell},
    syntax::word::ansi::{Escape, escape},
};

pub(super) async fn echo(shell: &Shell, args: &[String]) -> Flow {
    let mut newline = true;
    let mut escapes = false;
    let mut words = args;
    while let Some((word, rest)) = words.split_first() {
        let Some(letters) =
            word.strip_prefix('-').filter(|l| !l.is_empty() && l.chars().all(|c| "neE".contains(c)))
        else {
            break;
        };
        for letter in letters.chars() {
            match letter {
                'n' => newline = false,
                'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = rest;
    }
    let mut line = words.join(" ").into_bytes();
    if escapes {
        let text = String::from_utf8_lossy(&line).into_owned();
        let (bytes, stopped) = unescaped(&text);
        line = bytes;
        newline &= !stopped;
    }
    if newline {
        line.push(b'\n');
    }
    shell.put(line).await?;
    Ok(0)
}

/// Text with its escapes done, and whether `\c` ended it.
pub(super) fn unescaped(text: &str) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(rest[..at].bytes());
        rest = &rest[at + 1..];
        match escape(rest, true) {
            Some((Escape::Stop, _)) => return (bytes, true),
            Some((Escape::Byte(byte), length)) => {
                bytes.push(byte);
                rest = &rest[length..];
            }
            Some((Escape::Char(c), length)) => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                rest = &rest[length..];
            }
            None => bytes.push(b'\\'),
        }
    }
    bytes.extend(rest.bytes());
    (bytes, false)
}

/// `${x@E}`.
pub(crate) fn unescape(text: &str) -> String {
    String::from_utf8_lossy(&unescaped(text).0).into_owned()
}
