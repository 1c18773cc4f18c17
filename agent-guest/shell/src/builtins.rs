//! Commands that are part of the shell, because they change it or run others.

use crate::{
    io::LocalFuture,
    shell::{Flow, Jump, Shell},
};

mod directory;
mod flow;
mod info;
mod jobs;
mod print;
mod printf;
mod read;
mod run;
mod set;
mod variables;

pub(crate) use jobs::line as job_line;
pub(crate) use print::unescape;

/// What runs a built-in with its words.
type Run = for<'a> fn(&'a Shell, &'a [String]) -> LocalFuture<'a, Flow>;

/// A row of [`ALL`].
#[derive(Debug)]
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// POSIX's special built-ins: no function takes their name.
    pub(crate) special: bool,
    pub(crate) help: &'static str,
    pub(crate) run: Run,
}

macro_rules! builtin {
    ($name:literal, $function:path, $help:literal) => {
        builtin!($name, $function, $help, false)
    };
    ($name:literal, $function:path, $help:literal, $special:literal) => {
        Builtin {
            name: $name,
            special: $special,
            help: $help,
            run: |shell, args| Box::pin($function(shell, args)),
        }
    };
}

/// Every built-in, sorted by name.
pub(crate) const ALL: &[Builtin] = &[
    builtin!(".", flow::source, ". FILE [ARG]... — run a file in this shell", true),
    builtin!(":", flow::yes, ": [ARG]... — do nothing, well", true),
    builtin!("[", info::bracket, "[ EXPRESSION ] — the same as test"),
    builtin!("alias", variables::alias, "alias [NAME[=TEXT]]... — define or show aliases"),
    builtin!("bash", run::sh, "bash [-eux] [-c TEXT | FILE] [ARG]... — the same as sh: there is one shell"),
    builtin!("bg", jobs::bg, "bg [JOB] — jobs in the background go on by themselves"),
    builtin!("break", flow::leave, "break [N] — end N loops", true),
    builtin!("builtin", run::builtin, "builtin NAME [ARG]... — run a built-in, not a function"),
    builtin!("cd", directory::cd, "cd [DIRECTORY|-] — change the directory"),
    builtin!(
        "chmod",
        info::chmod,
        "chmod MODE FILE... — files here have no modes; for scripts that set them"
    ),
    builtin!("command", run::command, "command [-vV] NAME [ARG]... — run a command, not a function"),
    builtin!("continue", flow::go_on, "continue [N] — begin the Nth loop's next turn", true),
    builtin!(
        "declare",
        variables::declare,
        "declare [-xrp] [NAME[=VALUE]]... — set variables and what they are"
    ),
    builtin!("echo", print::echo, "echo [-neE] [WORD]... — print words"),
    builtin!(
        "env",
        run::env,
        "env [-i] [-u NAME] [NAME=VALUE]... [COMMAND] — run with other variables, or show them"
    ),
    builtin!("eval", flow::eval, "eval [WORD]... — run words as a command", true),
    builtin!("exec", run::exec, "exec [COMMAND] — redirect this shell, or end it with a command", true),
    builtin!("exit", flow::exit, "exit [STATUS] — end the shell; at the prompt a fresh one begins", true),
    builtin!(
        "export",
        variables::export,
        "export [-np] [NAME[=VALUE]]... — give variables to commands",
        true
    ),
    builtin!("false", flow::no, "false — fail"),
    builtin!("fg", jobs::fg, "fg [JOB] — wait for a job in the foreground"),
    builtin!("getopts", read::getopts, "getopts OPTIONS NAME [ARG]... — take options apart"),
    builtin!("hash", flow::yes, "hash — nothing to remember: commands are built in"),
    builtin!("help", info::help, "help [NAME] — what there is"),
    builtin!("history", info::history, "history [-c] [N] — lines typed before"),
    builtin!("jobs", jobs::jobs, "jobs [-lp] — what runs in the background"),
    builtin!("kill", jobs::kill, "kill [-SIGNAL] JOB... — end background jobs"),
    builtin!("let", variables::evaluate, "let EXPRESSION... — arithmetic"),
    builtin!("local", variables::local, "local NAME[=VALUE]... — variables of a function"),
    builtin!("printf", printf::printf, "printf [-v NAME] FORMAT [WORD]... — print words in a form"),
    builtin!("pwd", directory::pwd, "pwd [-LP] — print the directory"),
    builtin!(
        "read",
        read::read,
        "read [-r] [-p PROMPT] [-d C] [-n N] [NAME]... — read a line into variables"
    ),
    builtin!(
        "readonly",
        variables::readonly,
        "readonly [NAME[=VALUE]]... — variables that stay as they are",
        true
    ),
    builtin!("return", flow::give_back, "return [STATUS] — end a function or a sourced file", true),
    builtin!("set", set::set, "set [-aCefnuvx] [-o OPTION] [--] [ARG]... — options and $1, $2, ...", true),
    builtin!("sh", run::sh, "sh [-eux] [-c TEXT | FILE] [ARG]... — a shell of its own"),
    builtin!("shift", set::shift, "shift [N] — drop the first of $1, $2, ...", true),
    builtin!("sleep", jobs::sleep, "sleep TIME[smhd]... — wait"),
    builtin!("source", flow::source, "source FILE [ARG]... — run a file in this shell"),
    builtin!("test", info::test, "test EXPRESSION — compare words and look at files"),
    builtin!("timeout", jobs::timeout, "timeout TIME COMMAND [ARG]... — end a command that takes too long"),
    builtin!("times", info::times, "times — how long the shell has been there", true),
    builtin!("trap", set::trap, "trap [ACTION] [EXIT|INT]... — what runs at the end or after Ctrl-C", true),
    builtin!("true", flow::yes, "true — succeed"),
    builtin!("type", info::kind, "type NAME... — what a name means"),
    builtin!("typeset", variables::declare, "typeset [-xrp] [NAME[=VALUE]]... — the same as declare"),
    builtin!("umask", info::umask, "umask — files here have no modes"),
    builtin!("unalias", variables::unalias, "unalias [-a] NAME... — forget aliases"),
    builtin!("unset", variables::unset, "unset [-fv] NAME... — forget variables and functions", true),
    builtin!("wait", jobs::wait, "wait [JOB]... — wait for background jobs"),
    builtin!(
        "xargs",
        run::xargs,
        "xargs [-0rt] [-n N] [-I TEXT] [-d C] [COMMAND] — run a command with words from standard input"
    ),
];

pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    ALL.binary_search_by_key(&name, |builtin| builtin.name).ok().map(|at| &ALL[at])
}

/// Says what is wrong and ends the built-in.
async fn fail<T>(shell: &Shell, status: u8, text: &str) -> Result<T, Jump> {
    shell.complain(text).await;
    Err(Jump::Failed(status))
}

/// Takes options such as `-ab -c value` off the words: each letter with its value, and what is left.
///
/// `letters`: those there are, a colon after each that takes a value.
async fn options<'a>(
    shell: &Shell,
    name: &str,
    letters: &str,
    args: &'a [String],
) -> Result<(Vec<(char, &'a str)>, &'a [String]), Jump> {
    let mut found = Vec::new();
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            return Ok((found, after));
        }
        let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) else { break };
        rest = after;
        for (at, letter) in cluster.char_indices() {
            let place = letters.find(letter).filter(|_| letter != ':');
            let Some(place) = place else {
                return fail(shell, 2, &format!("{name}: -{letter}: invalid option")).await;
            };
            if !letters[place + letter.len_utf8()..].starts_with(':') {
                found.push((letter, ""));
                continue;
            }
            let value = &cluster[at + letter.len_utf8()..];
            if !value.is_empty() {
                found.push((letter, value));
            } else if let Some((value, after)) = rest.split_first() {
                found.push((letter, value));
                rest = after;
            } else {
                return fail(shell, 2, &format!("{name}: -{letter}: option requires an argument")).await;
            }
            break;
        }
    }
    Ok((found, rest))
}

fn has(options: &[(char, &str)], letter: char) -> bool {
    options.iter().any(|(own, _)| *own == letter)
}
