//! What tells about things: `type`, `help`, `history`, `test`.

use super::{ALL, fail, options};
use crate::{
    exec::simple::Meaning,
    shell::{Flow, Shell},
    utils,
};

pub(super) async fn test(shell: &Shell, args: &[String]) -> Flow {
    match shell.test(args) {
        Ok(holds) => Ok(u8::from(!holds)),
        Err(text) => fail(shell, 2, &format!("test: {text}")).await,
    }
}

pub(super) async fn bracket(shell: &Shell, args: &[String]) -> Flow {
    match args.split_last() {
        Some((last, words)) if last == "]" => match shell.test(words) {
            Ok(holds) => Ok(u8::from(!holds)),
            Err(text) => fail(shell, 2, &format!("[: {text}")).await,
        },
        _ => fail(shell, 2, "[: missing `]'").await,
    }
}

const KEYWORDS: &[&str] = &[
    "!", "[[", "]]", "case", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "then", "time", "until", "while", "{", "}",
];

/// What a name means, in words; `None`: nothing.
pub(super) fn meaning(shell: &Shell, name: &str) -> Option<String> {
    if let Some(text) = shell.aliases.borrow().get(name) {
        return Some(format!("{name} is aliased to `{text}'"));
    }
    if KEYWORDS.contains(&name) {
        return Some(format!("{name} is a shell keyword"));
    }
    Some(match shell.meaning(name) {
        Meaning::Function(_) => format!("{name} is a function"),
        Meaning::Builtin(builtin) if builtin.special => format!("{name} is a special shell builtin"),
        Meaning::Builtin(_) => format!("{name} is a shell builtin"),
        Meaning::Utility(_) => format!("{name} is a command of this shell"),
        Meaning::Path if shell.cwd().join(name).is_file() => format!("{name} is a script"),
        Meaning::Path | Meaning::Nothing => return None,
    })
}

pub(super) async fn kind(shell: &Shell, args: &[String]) -> Flow {
    let (options, names) = options(shell, "type", "aftpP", args).await?;
    let mut status = 0;
    for name in names {
        match meaning(shell, name) {
            Some(text) if super::has(&options, 't') => {
                let word = match () {
                    () if text.contains("is aliased") => "alias",
                    () if text.ends_with("keyword") => "keyword",
                    () if text.ends_with("function") => "function",
                    () if text.ends_with("builtin") => "builtin",
                    () => "file",
                };
                shell.put(format!("{word}\n")).await?;
            }
            Some(text) => shell.put(format!("{text}\n")).await?,
            None => {
                if !super::has(&options, 't') {
                    shell.complain(&format!("type: {name}: not found")).await;
                }
                status = 1;
            }
        }
    }
    Ok(status)
}

pub(super) async fn help(shell: &Shell, args: &[String]) -> Flow {
    let all = || ALL.iter().map(|b| (b.name, b.help)).chain(utils::ALL.iter().map(|u| (u.name, u.help)));
    if !args.is_empty() {
        let mut status = 0;
        for name in args {
            match all().find(|(own, _)| own == name) {
                Some((_, help)) => shell.put(format!("{help}\n")).await?,
                None => {
                    shell.complain(&format!("help: no help topics match `{name}'")).await;
                    status = 1;
                }
            }
        }
        return Ok(status);
    }
    let colour = shell.fds.borrow().writer(1).is_some_and(|writer| writer.is_terminal());
    let (on, off) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut text = format!(
        "{on}A POSIX shell over the agent's workspace.{off} Pipes, redirections, functions, jobs: as you know them.\n\
         Keys: Tab completes, Ctrl-R searches, Ctrl-C stops, Ctrl-L clears.\n"
    );
    let sections = [
        ("Built into the shell", ALL.iter().map(|b| b.help).collect::<Vec<_>>()),
        ("Commands", utils::ALL.iter().map(|u| u.help).collect()),
    ];
    for (title, lines) in sections {
        text.push_str(&format!("\n{on}{title}{off}\n"));
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
    }
    shell.put(text).await?;
    Ok(0)
}

pub(super) async fn history(shell: &Shell, args: &[String]) -> Flow {
    let (options, words) = options(shell, "history", "cwra", args).await?;
    if super::has(&options, 'c') {
        shell.common.history.borrow_mut().clear();
        return Ok(0);
    }
    let most = match words.first().map(|word| (word, word.parse::<usize>())) {
        None => usize::MAX,
        Some((_, Ok(most))) => most,
        Some((word, Err(_))) => {
            return fail(shell, 1, &format!("history: {word}: numeric argument required")).await;
        }
    };
    let text: String = {
        let history = shell.common.history.borrow();
        let lines = history.lines();
        let skip = lines.len().saturating_sub(most);
        lines.iter().enumerate().skip(skip).map(|(n, line)| format!("{:>5}  {line}\n", n + 1)).collect()
    };
    shell.put(text).await?;
    Ok(0)
}

pub(super) async fn times(shell: &Shell, _: &[String]) -> Flow {
    let seconds = shell.common.started.elapsed().as_secs_f64();
    shell.put(format!("{}m{:.3}s\n", (seconds / 60.0).floor(), seconds % 60.0)).await?;
    Ok(0)
}

/// Files here have no modes, but scripts set them.
pub(super) async fn chmod(shell: &Shell, args: &[String]) -> Flow {
    let names = args.iter().filter(|arg| !arg.starts_with('-')).skip(1);
    let mut status = 0;
    for name in names {
        if let Err(error) = shell.cwd().join(name).symlink_metadata() {
            shell.complain(&format!("chmod: cannot access '{name}': {}", utils::describe(&error))).await;
            status = 1;
        }
    }
    Ok(status)
}

pub(super) async fn umask(shell: &Shell, args: &[String]) -> Flow {
    if args.is_empty() {
        shell.put("0022\n").await?;
    }
    Ok(0)
}
