//! `read` and `getopts`.

use super::{fail, has, options};
use crate::{
    io::MAX_LINE_BYTES,
    shell::{Flow, Jump, Shell},
    syntax::word::is_name,
};

pub(super) async fn read(shell: &Shell, args: &[String]) -> Flow {
    let (options, names) = options(shell, "read", "rsep:d:n:N:t:u:i:", args).await?;
    let value = |letter: char| options.iter().rev().find(|(own, _)| *own == letter).map(|(_, value)| *value);
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return fail(shell, 1, &format!("read: `{name}': not a valid identifier")).await;
    }
    let fd = value('u').map_or(Some(0), |text| text.parse().ok());
    let Some(reader) = fd.and_then(|fd| shell.fds.borrow().reader(fd)) else {
        return fail(shell, 1, "read: Bad file descriptor").await;
    };
    let terminal = shell.fds.borrow().get(0).is_some_and(|fd| fd.terminal);
    if let Some(prompt) = value('p').filter(|_| terminal) {
        shell.error_line(prompt).await;
    }
    let count = match value('n').or(value('N')).map(str::parse::<usize>) {
        Some(Ok(count)) => Some(count),
        Some(Err(_)) => return fail(shell, 1, "read: invalid number").await,
        None => None,
    };
    let delimiter = value('d').map_or(b'\n', |text| text.bytes().next().unwrap_or(0));
    let line = Line { reader, delimiter, raw: has(&options, 'r'), count };
    let reads = line.read(shell);
    let (chars, ended) = match value('t') {
        None => reads.await?,
        Some(text) => {
            let Some(limit) = super::jobs::duration(text) else {
                return fail(shell, 1, &format!("read: {text}: invalid timeout specification")).await;
            };
            match agent::select(reads, agent::sleep(limit)).await {
                agent::Either::First(result) => result?,
                agent::Either::Second(_) => return Ok(142),
            }
        }
    };
    assign(shell, &chars, names).await?;
    Ok(u8::from(ended))
}

/// What to read: a character, and whether a backslash was before it.
struct Line {
    reader: crate::io::Reader,
    delimiter: u8,
    raw: bool,
    count: Option<usize>,
}

impl Line {
    /// The characters, and whether the input ended before the delimiter.
    async fn read(&self, shell: &Shell) -> Result<(Vec<(char, bool)>, bool), Jump> {
        let mut bytes = Vec::new();
        let mut quoted = Vec::new();
        let mut escaped = false;
        let mut ended = false;
        loop {
            if self.count.is_some_and(|count| String::from_utf8_lossy(&bytes).chars().count() >= count) {
                break;
            }
            let Some(byte) = self.byte(shell).await? else {
                ended = true;
                break;
            };
            if escaped {
                escaped = false;
                if byte != b'\n' {
                    bytes.push(byte);
                    quoted.push(true);
                }
            } else if byte == b'\\' && !self.raw {
                escaped = true;
            } else if byte == self.delimiter {
                break;
            } else if byte != 0 {
                bytes.push(byte);
                quoted.push(false);
            }
            if bytes.len() > MAX_LINE_BYTES {
                return fail(shell, 1, &format!("read: line over {MAX_LINE_BYTES} bytes")).await;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let chars =
            text.char_indices().map(|(at, c)| (c, quoted.get(at).copied().unwrap_or(false))).collect();
        Ok((chars, ended))
    }

    async fn byte(&self, shell: &Shell) -> Result<Option<u8>, Jump> {
        match self.reader.read_byte().await {
            Ok(byte) => Ok(byte),
            Err(error) => fail(shell, 1, &format!("read: {}", crate::utils::describe(&error))).await,
        }
    }
}

/// Splits at IFS: the last name gets the rest.
async fn assign(shell: &Shell, chars: &[(char, bool)], names: &[String]) -> Result<(), Jump> {
    let ifs = shell.vars.borrow().get("IFS").map_or_else(|| " \t\n".to_owned(), |ifs| ifs.to_string());
    let separates = |(c, quoted): &(char, bool)| !quoted && ifs.contains(*c);
    let space = |pair: &(char, bool)| separates(pair) && pair.0.is_ascii_whitespace();
    let Some((last, first)) = names.split_last() else {
        let text: String = chars.iter().map(|(c, _)| c).collect();
        return shell.assign("REPLY", &text).await;
    };
    let skip = |rest: &mut &[(char, bool)]| {
        let spaces = rest.iter().take_while(|pair| space(pair)).count();
        *rest = &rest[spaces..];
    };
    let mut rest = chars;
    skip(&mut rest);
    for name in first {
        let length = rest.iter().position(separates).unwrap_or(rest.len());
        let text: String = rest[..length].iter().map(|(c, _)| c).collect();
        rest = &rest[length..];
        skip(&mut rest);
        if rest.first().is_some_and(|pair| separates(pair) && !space(pair)) {
            rest = &rest[1..];
            skip(&mut rest);
        }
        shell.assign(name, &text).await?;
    }
    let end = rest.iter().rposition(|pair| !space(pair)).map_or(0, |at| at + 1);
    let mut rest = &rest[..end];
    // One separator at the very end belongs to the last field, if it is the only one.
    if let Some((tail, before)) = rest.split_last()
        && separates(tail)
        && !before.iter().any(separates)
    {
        rest = before;
    }
    let text: String = rest.iter().map(|(c, _)| c).collect();
    shell.assign(last, &text).await
}

pub(super) async fn getopts(shell: &Shell, args: &[String]) -> Flow {
    let [letters, name, words @ ..] = args else {
        return fail(shell, 2, "getopts: usage: getopts OPTIONS NAME [ARG]...").await;
    };
    if !is_name(name) {
        return fail(shell, 1, &format!("getopts: `{name}': not a valid identifier")).await;
    }
    let own = shell.args.borrow().clone();
    let words = if words.is_empty() { &own[..] } else { words };
    let (silent, letters) = match letters.strip_prefix(':') {
        Some(letters) => (true, letters),
        None => (false, letters.as_str()),
    };
    // Which word, and which character in it; 0 before the first.
    let (mut index, mut at) = shell.getopts.get();
    index = index.max(1);
    if at == 0 {
        let word = words.get(index - 1).filter(|word| word.starts_with('-') && word.len() > 1);
        let Some(word) = word.filter(|word| *word != "--") else {
            index += usize::from(words.get(index - 1).is_some_and(|word| word == "--"));
            return finish(shell, name, "?", None, (index, 0), 1).await;
        };
        at = 1;
        debug_assert!(word.len() > at, "an option has a letter");
    }
    let word = words.get(index - 1).map(String::as_str).unwrap_or_default();
    let Some(letter) = word.get(at..).and_then(|rest| rest.chars().next()) else {
        return finish(shell, name, "?", None, (index + 1, 0), 1).await;
    };
    at += letter.len_utf8();
    let after = if at >= word.len() { (index + 1, 0) } else { (index, at) };
    let found = letters.find(letter).filter(|_| letter != ':');
    let Some(place) = found else {
        if silent {
            return finish(shell, name, "?", Some(&letter.to_string()), after, 0).await;
        }
        shell.complain(&format!("illegal option -- {letter}")).await;
        return finish(shell, name, "?", None, after, 0).await;
    };
    if !letters[place + letter.len_utf8()..].starts_with(':') {
        return finish(shell, name, &letter.to_string(), None, after, 0).await;
    }
    if at < word.len() {
        return finish(shell, name, &letter.to_string(), Some(&word[at..]), (index + 1, 0), 0).await;
    }
    match words.get(index) {
        Some(value) => finish(shell, name, &letter.to_string(), Some(value), (index + 2, 0), 0).await,
        None if silent => finish(shell, name, ":", Some(&letter.to_string()), (index + 1, 0), 0).await,
        None => {
            shell.complain(&format!("option requires an argument -- {letter}")).await;
            finish(shell, name, "?", None, (index + 1, 0), 0).await
        }
    }
}

async fn finish(
    shell: &Shell,
    name: &str,
    letter: &str,
    value: Option<&str>,
    place: (usize, usize),
    status: u8,
) -> Flow {
    shell.assign("OPTIND", &place.0.to_string()).await?;
    // After the assignment, which begins a new word.
    shell.getopts.set(place);
    shell.assign(name, letter).await?;
    match value {
        Some(value) => shell.assign("OPTARG", value).await?,
        None => {
            // A read-only OPTARG stays; nobody has one.
            let _ = shell.vars.borrow_mut().unset("OPTARG");
        }
    }
    Ok(status)
}
