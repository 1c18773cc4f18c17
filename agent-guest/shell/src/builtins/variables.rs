//! `export`, `readonly`, `local`, `unset`, `alias` and their like.

use std::rc::Rc;

use super::{fail, has, options};
use crate::{
    expand::parameter::quote,
    shell::{Flow, Jump, MAX_DEFINITIONS, Shell, vars::Var},
    syntax::word::is_name,
};

/// `name`, `name=value` or `name+=value`, with a name that is one.
async fn split<'a>(shell: &Shell, what: &str, word: &'a str) -> Result<(&'a str, Option<String>), Jump> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let (name, append) = match name.strip_suffix('+') {
        Some(name) if value.is_some() => (name, true),
        _ => (name, false),
    };
    if !is_name(name) {
        return fail(shell, 1, &format!("{what}: `{word}': not a valid identifier")).await;
    }
    let value = value.map(|value| {
        let old = if append { shell.vars.borrow().get(name) } else { None };
        old.map_or_else(|| value.to_owned(), |old| old.to_string() + value)
    });
    Ok((name, value))
}

async fn show(shell: &Shell, prefix: &str, which: impl Fn(&Var) -> bool) -> Flow {
    let mut text = String::new();
    for (name, var) in shell.vars.borrow().iter().filter(|(_, var)| which(var)) {
        let value = var.value.as_ref().map(|value| format!("={}", quote(value))).unwrap_or_default();
        text.push_str(&format!("{prefix} {name}{value}\n"));
    }
    shell.put(text).await?;
    Ok(0)
}

pub(super) async fn export(shell: &Shell, args: &[String]) -> Flow {
    let (options, names) = options(shell, "export", "npf", args).await?;
    if names.is_empty() {
        return show(shell, "export", |var| var.exported).await;
    }
    for word in names {
        let (name, value) = split(shell, "export", word).await?;
        if let Some(value) = value {
            shell.assign(name, &value).await?;
        }
        shell.vars.borrow_mut().export(name, !has(&options, 'n'));
    }
    Ok(0)
}

pub(super) async fn readonly(shell: &Shell, args: &[String]) -> Flow {
    let (_, names) = options(shell, "readonly", "p", args).await?;
    if names.is_empty() {
        return show(shell, "readonly", |var| var.readonly).await;
    }
    for word in names {
        let (name, value) = split(shell, "readonly", word).await?;
        if let Some(value) = value {
            shell.assign(name, &value).await?;
        }
        mark(shell, name, |var| var.readonly = true).await?;
    }
    Ok(0)
}

async fn mark(shell: &Shell, name: &str, change: impl FnOnce(&mut Var)) -> Result<(), Jump> {
    if shell.vars.borrow().var(name).is_some_and(|var| var.readonly) {
        return Ok(());
    }
    let result = shell.vars.borrow_mut().update(name, change);
    match result {
        Ok(()) => Ok(()),
        Err(refused) => fail(shell, 1, &refused.to_string()).await,
    }
}

pub(super) async fn local(shell: &Shell, args: &[String]) -> Flow {
    declare_in(shell, "local", args, true).await
}

pub(super) async fn declare(shell: &Shell, args: &[String]) -> Flow {
    let inside = shell.functions_entered.get() > 0;
    declare_in(shell, "declare", args, inside).await
}

async fn declare_in(shell: &Shell, what: &str, args: &[String], local: bool) -> Flow {
    let (options, names) = options(shell, what, "xrpgifF", args).await?;
    let local = local && !has(&options, 'g');
    if names.is_empty() {
        return show(shell, "declare", |var| {
            (!has(&options, 'x') || var.exported) && (!has(&options, 'r') || var.readonly)
        })
        .await;
    }
    for word in names {
        let (name, value) = split(shell, what, word).await?;
        if local && !shell.vars.borrow_mut().localize(name) {
            return fail(shell, 1, &format!("{what}: can only be used in a function")).await;
        }
        match value {
            Some(value) => shell.assign(name, &value).await?,
            None => mark(shell, name, |_| ()).await?,
        }
        if has(&options, 'x') {
            shell.vars.borrow_mut().export(name, true);
        }
        if has(&options, 'r') {
            mark(shell, name, |var| var.readonly = true).await?;
        }
    }
    Ok(0)
}

pub(super) async fn unset(shell: &Shell, args: &[String]) -> Flow {
    let (options, names) = options(shell, "unset", "fv", args).await?;
    let mut status = 0;
    for name in names {
        if has(&options, 'f') {
            Rc::make_mut(&mut shell.functions.borrow_mut()).remove(name.as_str());
            continue;
        }
        let is_variable = shell.vars.borrow().var(name).is_some();
        let result = shell.vars.borrow_mut().unset(name);
        match result {
            Ok(()) if !is_variable && !has(&options, 'v') => {
                Rc::make_mut(&mut shell.functions.borrow_mut()).remove(name.as_str());
            }
            Ok(()) => {}
            Err(_) => {
                shell.complain(&format!("unset: {name}: cannot unset: readonly variable")).await;
                status = 1;
            }
        }
    }
    Ok(status)
}

pub(super) async fn evaluate(shell: &Shell, args: &[String]) -> Flow {
    let mut value = 0;
    for expression in args {
        value = shell.evaluate(expression).await?;
    }
    Ok(u8::from(value == 0))
}

pub(super) async fn alias(shell: &Shell, args: &[String]) -> Flow {
    let mut status = 0;
    let line = |name: &str, text: &str| format!("alias {name}={}\n", quote(text));
    if args.is_empty() {
        let lines: String = shell.aliases.borrow().iter().map(|(name, text)| line(name, text)).collect();
        shell.put(lines).await?;
    }
    for word in args {
        if let Some((name, text)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) {
            if shell.aliases.borrow().len() >= MAX_DEFINITIONS {
                return fail(shell, 1, &format!("alias: more than {MAX_DEFINITIONS}")).await;
            }
            Rc::make_mut(&mut shell.aliases.borrow_mut()).insert(name.to_owned(), text.to_owned());
            continue;
        }
        let text = shell.aliases.borrow().get(word).cloned();
        match text {
            Some(text) => shell.put(line(word, &text)).await?,
            None => {
                shell.complain(&format!("alias: {word}: not found")).await;
                status = 1;
            }
        }
    }
    Ok(status)
}

pub(super) async fn unalias(shell: &Shell, args: &[String]) -> Flow {
    let (options, names) = options(shell, "unalias", "a", args).await?;
    if has(&options, 'a') {
        shell.aliases.take();
    }
    let mut status = 0;
    for name in names {
        if Rc::make_mut(&mut shell.aliases.borrow_mut()).remove(name).is_none() {
            status = 1;
        }
    }
    Ok(status)
}
