//! `set`, `shift` and `trap`.

use std::rc::Rc;

use super::fail;
use crate::{
    expand::parameter::{quote, quote_if_needed},
    shell::{
        Flow, Jump, Shell,
        options::{self, Options},
    },
};

/// Turns on or off what words like `-eu` and `-o pipefail` say; what is left.
pub(super) async fn apply<'a>(
    shell: &Shell,
    name: &str,
    args: &'a [String],
) -> Result<(bool, &'a [String]), Jump> {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        let on = word.starts_with('-');
        let Some(letters) = word.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty()) else {
            // A lone `-` ends the options, and nothing else.
            return Ok((word == "-", if word == "-" { after } else { rest }));
        };
        if word == "--" {
            return Ok((true, after));
        }
        // `sh -c`: not for us.
        if name == "sh" && letters.contains('c') {
            let letters = letters.replace('c', "");
            turn(shell, name, &letters, on).await?;
            return Ok((true, rest));
        }
        rest = after;
        if letters == "o" {
            let Some((long, after)) = rest.split_first() else {
                show(shell, on).await?;
                return Ok((false, rest));
            };
            let Some(option) = Options::by_name(long) else {
                return fail(shell, 2, &format!("{name}: {long}: invalid option name")).await;
            };
            shell.options.set(shell.options.get().with(option, on));
            rest = after;
        } else {
            let letters = match letters.strip_suffix('o') {
                Some(letters) => {
                    if let Some((long, after)) = rest.split_first()
                        && let Some(option) = Options::by_name(long)
                    {
                        shell.options.set(shell.options.get().with(option, on));
                        rest = after;
                    }
                    letters
                }
                None => letters,
            };
            turn(shell, name, letters, on).await?;
        }
    }
    Ok((false, rest))
}

async fn turn(shell: &Shell, name: &str, letters: &str, on: bool) -> Result<(), Jump> {
    for letter in letters.chars() {
        match Options::by_letter(letter) {
            Some(option) => shell.options.set(shell.options.get().with(option, on)),
            // Job control, brace expansion and the like: always as they are.
            None if "bBhHimP".contains(letter) => {}
            None => return fail(shell, 2, &format!("{name}: -{letter}: invalid option")).await,
        }
    }
    Ok(())
}

async fn show(shell: &Shell, table: bool) -> Result<(), Jump> {
    let mut text = String::new();
    for (_, name, option) in options::ALL {
        let on = shell.option(*option);
        if table {
            text.push_str(&format!("{name:<15}\t{}\n", if on { "on" } else { "off" }));
        } else {
            text.push_str(&format!("set {}o {name}\n", if on { '-' } else { '+' }));
        }
    }
    shell.put(text).await
}

pub(super) async fn set(shell: &Shell, args: &[String]) -> Flow {
    if args.is_empty() {
        let mut text = String::new();
        for (name, var) in shell.vars.borrow().iter() {
            if let Some(value) = &var.value {
                text.push_str(&format!("{name}={}\n", quote_if_needed(value)));
            }
        }
        shell.put(text).await?;
        return Ok(0);
    }
    let (replaces, rest) = apply(shell, "set", args).await?;
    if replaces || !rest.is_empty() {
        shell.args.replace(Rc::new(rest.to_vec()));
    }
    Ok(0)
}

pub(super) async fn shift(shell: &Shell, args: &[String]) -> Flow {
    let count = match args.first().map(|text| (text, text.parse::<usize>())) {
        None => 1,
        Some((_, Ok(count))) => count,
        Some((text, Err(_))) => {
            return fail(shell, 1, &format!("shift: {text}: numeric argument required")).await;
        }
    };
    let mut args = shell.args.borrow_mut();
    if count > args.len() {
        return Ok(1);
    }
    Rc::make_mut(&mut args).drain(..count);
    Ok(0)
}

/// The signals a trap can be set for.
const SIGNALS: &[(&str, &str)] = &[("EXIT", "0"), ("HUP", "1"), ("INT", "2"), ("QUIT", "3"), ("TERM", "15")];

pub(super) async fn trap(shell: &Shell, args: &[String]) -> Flow {
    let args = if args.first().is_some_and(|arg| arg == "--") { &args[1..] } else { args };
    let (action, names) = match args {
        [] => {
            let lines: String = shell
                .traps
                .borrow()
                .iter()
                .map(|(name, action)| format!("trap -- {} {name}\n", quote(action)))
                .collect();
            shell.put(lines).await?;
            return Ok(0);
        }
        [option] if option == "-l" => {
            let lines: String =
                SIGNALS.iter().skip(1).map(|(name, number)| format!("{number}) SIG{name}\n")).collect();
            shell.put(lines).await?;
            return Ok(0);
        }
        // One word alone is a signal to forget.
        [name] => (None, std::slice::from_ref(name)),
        [action, names @ ..] => (Some(action).filter(|action| *action != "-"), names),
    };
    for name in names {
        let upper = name.to_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        let Some((signal, _)) = SIGNALS.iter().find(|(signal, number)| *signal == short || *number == short)
        else {
            return fail(shell, 1, &format!("trap: {name}: invalid signal specification")).await;
        };
        let mut traps = shell.traps.borrow_mut();
        match action {
            Some(action) => drop(traps.insert(signal, action.clone())),
            None => drop(traps.remove(signal)),
        }
    }
    Ok(0)
}
