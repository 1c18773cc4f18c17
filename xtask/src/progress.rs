//! Long steps that say what they do: a spinner with the last line of output on a terminal, plain lines elsewhere.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, IsTerminal as _, Read, Write as _},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// Lines of a failed step's output that are shown; the log has the rest.
const SHOWN: usize = 60;
/// How often a step that is not on a terminal says that it goes on.
const STILL: Duration = Duration::from_secs(30);
/// Longest part of a line shown beside the spinner, characters.
const BESIDE: usize = 60;

/// One step: named when it begins, timed when it ends.
pub(crate) struct Step {
    name: String,
    begun: Instant,
    terminal: bool,
    said: Instant,
    frame: usize,
}

impl Step {
    pub(crate) fn begin(name: impl Into<String>) -> Self {
        let step = Self {
            name: name.into(),
            begun: Instant::now(),
            terminal: io::stderr().is_terminal(),
            said: Instant::now(),
            frame: 0,
        };
        if !step.terminal {
            eprintln!("· {} …", step.name);
        }
        step
    }

    /// Says how it goes; called often.
    pub(crate) fn tick(&mut self, detail: &str) {
        let seconds = self.begun.elapsed().as_secs();
        if self.terminal {
            self.frame = (self.frame + 1) % FRAMES.len();
            let detail: String = detail.chars().filter(|c| !c.is_control()).take(BESIDE).collect();
            eprint!(
                "\r\x1b[2K\x1b[36m{}\x1b[0m {} {seconds} s \x1b[2m{detail}\x1b[0m",
                FRAMES[self.frame], self.name
            );
            let _ = io::stderr().flush();
        } else if self.said.elapsed() >= STILL {
            self.said = Instant::now();
            eprintln!("· {} … {seconds} s {detail}", self.name);
        }
    }

    /// Ends well.
    pub(crate) fn done(self, note: &str) {
        let seconds = self.begun.elapsed().as_secs_f32();
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        if self.terminal {
            eprintln!("\r\x1b[2K\x1b[32m✓\x1b[0m {}{note} \x1b[2m{seconds:.1} s\x1b[0m", self.name);
        } else {
            eprintln!("✓ {}{note} {seconds:.1} s", self.name);
        }
    }

    /// Ends badly; the error says why.
    pub(crate) fn failed(self) {
        let seconds = self.begun.elapsed().as_secs_f32();
        if self.terminal {
            eprintln!("\r\x1b[2K\x1b[31m✗\x1b[0m {} {seconds:.1} s", self.name);
        } else {
            eprintln!("✗ {} {seconds:.1} s", self.name);
        }
    }
}

/// How a command that was watched ended.
pub(crate) struct Outcome {
    /// Whether it exited with 0 in time.
    pub(crate) ok: bool,
    /// Whether it was ended because its time was up.
    pub(crate) timed_out: bool,
    /// Its last lines.
    pub(crate) tail: VecDeque<String>,
}

impl Outcome {
    /// The last lines as one text.
    pub(crate) fn text(&self, lines: usize) -> String {
        let skip = self.tail.len().saturating_sub(lines);
        self.tail.iter().skip(skip).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Runs a command as a step; its output goes to a log and, when it fails, to the terminal.
pub(crate) fn run(ws: &Workspace, name: &str, command: &mut Command) -> Result<()> {
    let mut step = Step::begin(name);
    let outcome = match watch(ws, &mut step, command, None) {
        Ok(outcome) => outcome,
        Err(error) => {
            step.failed();
            return Err(error);
        }
    };
    if outcome.ok {
        step.done("");
        return Ok(());
    }
    step.failed();
    eprintln!("{}", outcome.text(SHOWN));
    bail!("{name} failed; everything it said is in {}", log_path(ws, name).display())
}

/// Runs a command while a step shows its last line; at most `limit` long.
pub(crate) fn watch(
    ws: &Workspace,
    step: &mut Step,
    command: &mut Command,
    limit: Option<Duration>,
) -> Result<Outcome> {
    let path = log_path(ws, &step.name);
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let mut log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if step.terminal {
        // Cargo then writes its bar into the pipe, and the last line says how many crates are left.
        command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80");
    }
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}"))?;
    let (lines, received) = mpsc::channel();
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    for output in outputs.into_iter().flatten() {
        let lines = lines.clone();
        thread::spawn(move || split(output, &lines));
    }
    drop(lines);

    let begun = Instant::now();
    let mut tail = VecDeque::new();
    let mut beside = String::new();
    let mut timed_out = false;
    loop {
        match received.recv_timeout(Duration::from_millis(100)) {
            Ok(Line { text, whole }) => {
                if !text.trim().is_empty() {
                    beside.clone_from(&text);
                }
                if whole {
                    let _ = writeln!(log, "{text}");
                    tail.push_back(text);
                    if tail.len() > 4 * SHOWN {
                        tail.pop_front();
                    }
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if limit.is_some_and(|limit| begun.elapsed() > limit) {
            timed_out = true;
            let _ = child.kill();
            break;
        }
        step.tick(beside.trim());
    }
    let status = child.wait().with_context(|| format!("cannot wait for {program}"))?;
    Ok(Outcome { ok: status.success() && !timed_out, timed_out, tail })
}

/// A piece of output; one that ended in a carriage return is only for the eyes.
struct Line {
    text: String,
    whole: bool,
}

fn split(mut output: impl Read, lines: &mpsc::Sender<Line>) {
    let mut buffer = [0; 8192];
    let mut line = Vec::new();
    loop {
        let read = match output.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        for &byte in &buffer[..read] {
            if byte != b'\n' && byte != b'\r' {
                line.push(byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if lines.send(Line { text, whole: byte == b'\n' }).is_err() {
                return;
            }
        }
    }
    if !line.is_empty() {
        let _ = lines.send(Line { text: String::from_utf8_lossy(&line).into_owned(), whole: true });
    }
}

/// Runs a command whose output people want to see as it is.
pub(crate) fn show(name: &str, command: &mut Command) -> Result<()> {
    eprintln!("· {name}");
    let begun = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {program}"))?;
    let seconds = begun.elapsed().as_secs_f32();
    if !status.success() {
        eprintln!("✗ {name} {seconds:.1} s");
        bail!("{name} failed");
    }
    eprintln!("✓ {name} {seconds:.1} s");
    Ok(())
}

fn log_path(ws: &Workspace, name: &str) -> std::path::PathBuf {
    let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    ws.state().join("logs").join(file + ".log")
}
