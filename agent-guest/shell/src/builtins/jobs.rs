//! Background jobs and time.

use std::{rc::Rc, time::Duration};

use super::{fail, has, options};
use crate::shell::{Flow, Jump, Shell, jobs::Job};

const SIGNALS: &[(&str, u8)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ABRT", 6),
    ("KILL", 9),
    ("USR1", 10),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
];

/// How a job is: as `jobs` and the prompt say it.
pub(crate) fn describe(job: &Job) -> String {
    match (job.status(), job.signal()) {
        (None, _) => "Running".to_owned(),
        (_, Some(2)) => "Interrupt".to_owned(),
        (_, Some(9)) => "Killed".to_owned(),
        (_, Some(_)) => "Terminated".to_owned(),
        (Some(0), _) => "Done".to_owned(),
        (Some(status), _) => format!("Exit {status}"),
    }
}

/// A line of `jobs`.
pub(crate) fn line(mark: char, job: &Job) -> String {
    let and = if job.status().is_none() { " &" } else { "" };
    format!("[{}]{mark}  {:<24}{}{and}\n", job.number, describe(job), job.text)
}

pub(super) async fn jobs(shell: &Shell, args: &[String]) -> Flow {
    let (options, _) = options(shell, "jobs", "lprs", args).await?;
    let mut text = String::new();
    {
        let jobs = shell.jobs.borrow();
        for job in jobs.all() {
            if has(&options, 'p') {
                text.push_str(&format!("{}\n", job.pid));
            } else {
                text.push_str(&line(jobs.mark(job), job));
            }
        }
    }
    shell.jobs.borrow_mut().take_finished();
    shell.put(text).await?;
    Ok(0)
}

async fn find(shell: &Shell, what: &str, name: &str) -> Result<Rc<Job>, Jump> {
    let found = shell.jobs.borrow().find(name);
    match found {
        Some(job) => Ok(job),
        None => fail(shell, 1, &format!("{what}: {name}: no such job")).await,
    }
}

pub(super) async fn wait(shell: &Shell, args: &[String]) -> Flow {
    let (_, names) = options(shell, "wait", "fn", args).await?;
    if names.is_empty() {
        loop {
            let next = shell.jobs.borrow().all().first().cloned();
            let Some(job) = next else { return Ok(0) };
            job.wait().await;
            shell.jobs.borrow_mut().remove(&job);
        }
    }
    let mut status = 0;
    for name in names {
        let found = shell.jobs.borrow().find(name);
        status = match found {
            Some(job) => {
                let status = job.wait().await;
                shell.jobs.borrow_mut().remove(&job);
                status
            }
            None => {
                shell.complain(&format!("wait: {name}: no such job")).await;
                127
            }
        };
    }
    Ok(status)
}

/// Ends a job whose waiter is gone: Ctrl-C.
struct Foreground<'a>(&'a Shell, Rc<Job>);

impl Drop for Foreground<'_> {
    fn drop(&mut self) {
        self.1.kill(2);
        self.0.jobs.borrow_mut().remove(&self.1);
    }
}

pub(super) async fn fg(shell: &Shell, args: &[String]) -> Flow {
    let name = args.first().map_or("%%", String::as_str);
    let job = find(shell, "fg", name).await?;
    shell.put(format!("{}\n", job.text)).await?;
    let _foreground = Foreground(shell, job.clone());
    Ok(job.wait().await)
}

pub(super) async fn bg(shell: &Shell, args: &[String]) -> Flow {
    let name = args.first().map_or("%%", String::as_str);
    let job = find(shell, "bg", name).await?;
    fail(shell, 1, &format!("bg: job {} already in background", job.number)).await
}

pub(super) async fn kill(shell: &Shell, args: &[String]) -> Flow {
    let mut signal = 15;
    let mut names = args;
    if let [first, rest @ ..] = args
        && let Some(name) = first.strip_prefix('-').filter(|name| !name.is_empty() && *name != "-")
    {
        if name == "l" {
            let lines: String =
                SIGNALS.iter().map(|(name, number)| format!("{number}) SIG{name}\n")).collect();
            shell.put(lines).await?;
            return Ok(0);
        }
        let (name, rest) = match (name, rest) {
            ("s" | "n", [name, rest @ ..]) => (name.as_str(), rest),
            _ => (name, rest),
        };
        let upper = name.to_uppercase();
        let short = upper.strip_prefix("SIG").unwrap_or(&upper);
        let known = SIGNALS.iter().find(|(name, number)| *name == short || number.to_string() == short);
        match known {
            Some((_, number)) => signal = *number,
            None if short == "0" => signal = 0,
            None => return fail(shell, 1, &format!("kill: {name}: invalid signal specification")).await,
        }
        names = rest;
    }
    let names = if names.first().is_some_and(|name| name == "--") { &names[1..] } else { names };
    if names.is_empty() {
        return fail(shell, 2, "kill: usage: kill [-SIGNAL] JOB...").await;
    }
    let mut status = 0;
    for name in names {
        let found = shell.jobs.borrow().find(name).filter(|job| job.status().is_none());
        match found {
            Some(job) if signal > 0 => job.kill(signal),
            Some(_) => {}
            None => {
                shell.complain(&format!("kill: {name}: no such job")).await;
                status = 1;
            }
        }
    }
    Ok(status)
}

/// `2`, `0.5`, `3m`; `None` when it is no time.
pub(super) fn duration(text: &str) -> Option<Duration> {
    /// What is longer is for ever.
    const MOST_SECONDS: f64 = 1e9;
    if text == "infinity" {
        return Some(Duration::from_secs_f64(MOST_SECONDS));
    }
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.as_bytes()[text.len() - 1]),
        None => (text, b's'),
    };
    if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let factor = match unit {
        b'm' => 60.0,
        b'h' => 3600.0,
        b'd' => 86400.0,
        _ => 1.0,
    };
    Some(Duration::from_secs_f64((number.parse::<f64>().ok()? * factor).min(MOST_SECONDS)))
}

pub(super) async fn sleep(shell: &Shell, args: &[String]) -> Flow {
    if args.is_empty() {
        return fail(shell, 1, "sleep: missing operand").await;
    }
    let mut total = Duration::ZERO;
    for text in args {
        let Some(time) = duration(text) else {
            return fail(shell, 1, &format!("sleep: invalid time interval '{text}'")).await;
        };
        total += time;
    }
    if total.is_zero() {
        return Ok(0);
    }
    match agent::sleep(total).await {
        Ok(()) => Ok(0),
        Err(error) => fail(shell, 1, &format!("sleep: {error}")).await,
    }
}

pub(super) async fn timeout(shell: &Shell, args: &[String]) -> Flow {
    let (_, args) = options(shell, "timeout", "s:k:", args).await?;
    let [time, name, args @ ..] = args else {
        return fail(shell, 125, "timeout: usage: timeout TIME COMMAND [ARG]...").await;
    };
    let Some(time) = duration(time) else {
        return fail(shell, 125, &format!("timeout: invalid time interval '{time}'")).await;
    };
    let own = shell.fork(shell.fds());
    let (name, args) = (name.clone(), args.to_vec());
    let child = shell
        .start(async move {
            let flow = own.invoke(own.plain_meaning(&name), &name, &args).await;
            Ok(own.leave(flow).await)
        })
        .await?;
    if time.is_zero() {
        return child.await;
    }
    match agent::select(child, agent::sleep(time)).await {
        agent::Either::First(flow) => flow,
        agent::Either::Second(_) => Ok(124),
    }
}
