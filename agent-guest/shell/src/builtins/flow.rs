//! What changes where the script goes on.

use std::rc::Rc;

use super::fail;
use crate::{
    exec::read_script,
    shell::{Counted, Flow, Jump, Shell},
    utils,
};

pub(super) async fn yes(_: &Shell, _: &[String]) -> Flow {
    Ok(0)
}

pub(super) async fn no(_: &Shell, _: &[String]) -> Flow {
    Ok(1)
}

/// A status of any integer, as `exit` and `return` take it; without one, that of the last command.
async fn status(shell: &Shell, name: &str, args: &[String]) -> Result<u8, Jump> {
    let Some(text) = args.first() else { return Ok(shell.status.get()) };
    match text.parse::<i64>() {
        Ok(number) => Ok(number.to_le_bytes()[0]),
        Err(_) => fail(shell, 2, &format!("{name}: {text}: numeric argument required")).await,
    }
}

pub(super) async fn exit(shell: &Shell, args: &[String]) -> Flow {
    match status(shell, "exit", args).await {
        Ok(status) | Err(Jump::Failed(status)) => Err(Jump::Exit(status)),
        Err(jump) => Err(jump),
    }
}

pub(super) async fn give_back(shell: &Shell, args: &[String]) -> Flow {
    if shell.functions_entered.get() == 0 {
        return fail(shell, 1, "return: can only `return' from a function or sourced script").await;
    }
    Err(Jump::Return(status(shell, "return", args).await?))
}

async fn loops(shell: &Shell, name: &str, args: &[String]) -> Result<Option<u32>, Jump> {
    let count = match args.first().map(|text| (text, text.parse::<u32>())) {
        None => 1,
        Some((_, Ok(count))) if count > 0 => count,
        Some((text, _)) => return fail(shell, 1, &format!("{name}: {text}: loop count out of range")).await,
    };
    let inside = shell.loops.get();
    if inside == 0 {
        shell.complain(&format!("{name}: only meaningful in a `for', `while', or `until' loop")).await;
        return Ok(None);
    }
    Ok(Some(count.min(inside)))
}

pub(super) async fn leave(shell: &Shell, args: &[String]) -> Flow {
    loops(shell, "break", args).await?.map_or(Ok(0), |count| Err(Jump::Break(count)))
}

pub(super) async fn go_on(shell: &Shell, args: &[String]) -> Flow {
    loops(shell, "continue", args).await?.map_or(Ok(0), |count| Err(Jump::Continue(count)))
}

pub(super) async fn eval(shell: &Shell, args: &[String]) -> Flow {
    shell.run_text(&args.join(" ")).await
}

/// Brings `$1`, `$2`, ... back.
struct Args<'a>(&'a Shell, Option<Rc<Vec<String>>>);

impl Drop for Args<'_> {
    fn drop(&mut self) {
        if let Some(args) = self.1.take() {
            self.0.args.replace(args);
        }
    }
}

pub(super) async fn source(shell: &Shell, args: &[String]) -> Flow {
    let Some((name, args)) = args.split_first() else {
        return fail(shell, 2, ".: filename argument required").await;
    };
    let text = match read_script(shell, name) {
        Ok(text) => text,
        Err((_, text)) => return fail(shell, 1, &format!("{name}: {text}")).await,
    };
    let old = (!args.is_empty()).then(|| shell.args.replace(Rc::new(args.to_vec())));
    let _args = Args(shell, old);
    let _entered = Counted::new(&shell.functions_entered);
    match shell.run_text(&text).await {
        Err(Jump::Return(status)) => Ok(status),
        other => other,
    }
}

/// An I/O error of a file, said.
pub(super) async fn file_error(shell: &Shell, what: &str, name: &str, error: &std::io::Error) -> Flow {
    fail(shell, 1, &format!("{what}: {name}: {}", utils::describe(error))).await
}
