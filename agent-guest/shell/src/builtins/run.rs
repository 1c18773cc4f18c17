//! Built-ins that run other commands.

use super::{fail, has, info, options};
use crate::{
    exec::{read_script, simple::Meaning},
    io::Reader,
    shell::{Flow, Jump, Shell},
    syntax::{MAX_SOURCE_BYTES, word::is_name},
};

pub(super) async fn command(shell: &Shell, args: &[String]) -> Flow {
    let (options, words) = options(shell, "command", "pvV", args).await?;
    if has(&options, 'v') || has(&options, 'V') {
        let mut status = 0;
        for name in words {
            match info::meaning(shell, name) {
                Some(text) if has(&options, 'V') => shell.put(format!("{text}\n")).await?,
                Some(text) if text.contains("is aliased to") => {
                    let alias = shell.aliases.borrow().get(name).cloned().unwrap_or_default();
                    shell.put(format!("alias {name}='{alias}'\n")).await?;
                }
                Some(_) => shell.put(format!("{name}\n")).await?,
                None => status = 1,
            }
        }
        return Ok(status);
    }
    let Some((name, args)) = words.split_first() else { return Ok(0) };
    shell.invoke(shell.plain_meaning(name), name, args).await
}

pub(super) async fn builtin(shell: &Shell, args: &[String]) -> Flow {
    let Some((name, args)) = args.split_first() else { return Ok(0) };
    match super::find(name) {
        Some(builtin) => shell.invoke(Meaning::Builtin(builtin), name, args).await,
        None => fail(shell, 1, &format!("builtin: {name}: not a shell builtin")).await,
    }
}

pub(super) async fn exec(shell: &Shell, args: &[String]) -> Flow {
    let args = if args.first().is_some_and(|arg| arg == "--") { &args[1..] } else { args };
    let Some((name, args)) = args.split_first() else { return Ok(0) };
    let status = match shell.invoke(shell.plain_meaning(name), name, args).await {
        Ok(status) | Err(Jump::Failed(status)) => status,
        Err(jump) => return Err(jump),
    };
    // What replaced the shell has no traps.
    shell.traps.take();
    Err(Jump::Exit(status))
}

pub(super) async fn env(shell: &Shell, args: &[String]) -> Flow {
    let (options, words) = options(shell, "env", "iu:", args).await?;
    let own = shell.fork(shell.fds());
    own.forget_private();
    if has(&options, 'i') {
        own.vars.borrow_mut().export_nothing();
    }
    for (_, name) in options.iter().filter(|(letter, _)| *letter == 'u') {
        own.vars.borrow_mut().export(name, false);
    }
    let mut words = words;
    while let Some((word, rest)) = words.split_first() {
        let Some((name, value)) = word.split_once('=') else { break };
        if !is_name(name) {
            return fail(shell, 125, &format!("env: `{word}': not a valid identifier")).await;
        }
        own.assign(name, value).await?;
        own.vars.borrow_mut().export(name, true);
        words = rest;
    }
    match words.split_first() {
        Some((name, args)) => {
            let flow = own.invoke(own.plain_meaning(name), name, args).await;
            Ok(own.leave(flow).await)
        }
        None => {
            let variables = own.vars.borrow().exported();
            let text: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            shell.put(text).await?;
            Ok(0)
        }
    }
}

pub(super) async fn sh(shell: &Shell, args: &[String]) -> Flow {
    let own = shell.fork(shell.fds());
    own.forget_private();
    let (_, rest) = super::set::apply(&own, "sh", args).await?;
    let options = own.options.get();
    let runs_text = rest.first().is_some_and(|word| word.starts_with('-') && word.contains('c'));
    let rest = if runs_text { &rest[1..] } else { rest };
    let (text, name, args) = match (runs_text, rest) {
        (true, []) => return fail(shell, 2, "sh: -c: option requires an argument").await,
        (true, [text]) => (text.clone(), "sh".to_owned(), &[][..]),
        (true, [text, name, args @ ..]) => (text.clone(), name.clone(), args),
        (false, [file, args @ ..]) => match read_script(shell, file) {
            Ok(text) => (text, file.clone(), args),
            Err((status, text)) => return fail(shell, status, &format!("{file}: {text}")).await,
        },
        (false, []) => {
            let stdin = shell.fds.borrow().get(0);
            if stdin.as_ref().is_some_and(|fd| fd.terminal) {
                return fail(shell, 2, "sh: this is a shell already; say sh -c TEXT or sh FILE").await;
            }
            let reader = stdin.and_then(|fd| fd.reader).unwrap_or_else(Reader::empty);
            (
                String::from_utf8_lossy(&read_all(shell, &reader, MAX_SOURCE_BYTES).await?).into_owned(),
                "sh".to_owned(),
                &[][..],
            )
        }
    };
    Ok(shell.run_apart(&text, &name, args, options).await)
}

/// Everything there is to read, within a bound.
async fn read_all(shell: &Shell, reader: &Reader, most: usize) -> Result<Vec<u8>, Jump> {
    let mut all = Vec::new();
    loop {
        match reader.read().await {
            Ok(bytes) if bytes.is_empty() => return Ok(all),
            Ok(bytes) => all.extend(bytes),
            Err(error) => return fail(shell, 1, &crate::utils::describe(&error)).await,
        }
        if all.len() > most {
            return fail(shell, 1, &format!("input over {most} bytes")).await;
        }
    }
}

/// Most bytes that `xargs` reads.
const MAX_XARGS_BYTES: usize = 8 * 1024 * 1024;
/// Most words of one command that `xargs` runs, unless `-n` says fewer.
const XARGS_WORDS: usize = 5000;

pub(super) async fn xargs(shell: &Shell, args: &[String]) -> Flow {
    let (options, words) = options(shell, "xargs", "0rtn:L:I:d:P:", args).await?;
    let value = |letter: char| options.iter().rev().find(|(own, _)| *own == letter).map(|(_, value)| *value);
    let echo = ["echo".to_owned()];
    let words = if words.is_empty() { &echo[..] } else { words };
    let replace = value('I');
    let most = match value('n').or(value('L')).map(|text| (text, text.parse::<usize>())) {
        None => XARGS_WORDS,
        Some((_, Ok(most))) if most > 0 => most.min(XARGS_WORDS),
        Some((text, _)) => return fail(shell, 1, &format!("xargs: invalid number `{text}'")).await,
    };
    let reader = shell.fds.borrow().reader(0).unwrap_or_else(Reader::empty);
    let input = read_all(shell, &reader, MAX_XARGS_BYTES).await?;
    let input = String::from_utf8_lossy(&input);
    let delimiter = match value('d') {
        Some(text) => super::unescape(text).chars().next(),
        None if has(&options, '0') => Some('\0'),
        None if replace.is_some() => Some('\n'),
        None => None,
    };
    let items: Vec<String> = match delimiter {
        Some(delimiter) => {
            let items = input.strip_suffix(delimiter).unwrap_or(&input).split(delimiter).map(str::to_owned);
            items.filter(|item| replace.is_none() || !item.is_empty()).collect()
        }
        None => match split(&input) {
            Some(items) => items,
            None => return fail(shell, 1, "xargs: unmatched quote").await,
        },
    };
    let items: Vec<String> = if input.is_empty() { Vec::new() } else { items };
    if items.is_empty() && (has(&options, 'r') || replace.is_some()) {
        return Ok(0);
    }
    // The commands must not read what the words came from.
    let own = shell.fork(shell.fds().with_reader(0, Reader::empty()));
    let mut status = 0;
    let empty = [Vec::new()];
    let batches: Vec<&[String]> = if items.is_empty() {
        vec![&empty[0][..]]
    } else {
        items.chunks(if replace.is_some() { 1 } else { most }).collect()
    };
    for batch in batches {
        let mut line = words.to_vec();
        match (replace, batch) {
            (Some(mark), [item]) => line.iter_mut().for_each(|word| *word = word.replace(mark, item)),
            _ => line.extend_from_slice(batch),
        }
        if has(&options, 't') {
            shell.error_line(&format!("{}\n", line.join(" "))).await;
        }
        let (name, args) = (&line[0], &line[1..]);
        let last = match own.invoke(own.plain_meaning(name), name, args).await {
            Ok(status) | Err(Jump::Failed(status) | Jump::Exit(status)) => status,
            Err(jump) => return Err(jump),
        };
        match last {
            0 => {}
            126 | 127 => return Ok(last),
            255 => return Ok(124),
            _ => status = 123,
        }
        shell.step().await;
    }
    Ok(status)
}

/// Words at blanks, with quotes and backslashes as `xargs` has them.
fn split(text: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut item: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => items.extend(item.take()),
            '\\' => item.get_or_insert_default().push(chars.next()?),
            '"' | '\'' => {
                let item = item.get_or_insert_default();
                loop {
                    match chars.next()? {
                        quote if quote == c => break,
                        other => item.push(other),
                    }
                }
            }
            c => item.get_or_insert_default().push(c),
        }
    }
    items.extend(item);
    Some(items)
}
