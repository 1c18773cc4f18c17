//! The agent: a prompt, the job in front, and the terminal between them.

use agent::{Event, Start, editor::Action};

use crate::{
    builtins,
    history::History,
    shell::{Flow, Jump, Shell, fds::Fds, task},
};

mod complete;
mod config;
mod cooked;
mod prompt;
#[cfg(test)]
mod tests;
mod tty;

use config::Config;
use tty::Tty;

/// The workspace, and where a shell begins.
const HOME: &str = "/work";
/// Where the typed lines are kept, in the workspace.
const HISTORY: &str = ".history";
/// Most characters of a message that are shown.
const MAX_SHOWN: usize = 200;

/// The whole life of a shell agent.
///
/// # Errors
/// The terminal cannot be written to.
pub(crate) async fn main(start: Start) -> Result<(), String> {
    run(start, HOME).await
}

async fn run(start: Start, home: &str) -> Result<(), String> {
    let config = Config::parse(&start.config)?;
    let tty = Tty::new(start.size);
    let mut session = Session { shell: fresh(home, &tty), tty };
    session.shell.common.history.replace(History::load(&session.shell.common.home.join(HISTORY)));
    session.tty.remember(session.shell.common.history.borrow().lines());
    if let Some(text) = &config.motd {
        session.tty.print(&format!("{text}\n"));
    }
    if let Some(script) = &config.run {
        session.foreground(script).await;
    }
    loop {
        let line = session.prompt().await;
        if !line.trim().is_empty() {
            session.foreground(&line).await;
        }
    }
}

fn fresh(home: &str, tty: &Tty) -> Shell {
    let shell = Shell::new(std::path::Path::new(home), streams(tty));
    shell.common.interactive.set(true);
    shell
}

fn streams(tty: &Tty) -> Fds {
    Fds::new(tty.reader(), tty.writer(), tty.writer(), true)
}

struct Session {
    shell: Shell,
    tty: Tty,
}

/// How the job in front ended.
enum End {
    Flow(Flow),
    Interrupted,
}

impl Session {
    /// Reads one command, over as many rows as it takes.
    async fn prompt(&self) -> String {
        loop {
            self.report_jobs();
            self.tty.begin(&prompt::render(&self.shell));
            let completer = complete::Words(&self.shell);
            let action = loop {
                if let Some(action) = self.tty.feed(&completer) {
                    break action;
                }
                let event = agent::next_event().await;
                self.handle(event);
            };
            match action {
                Action::Line(line) => {
                    let added = self.shell.common.history.borrow_mut().add(&line);
                    if added {
                        self.tty.remember(&[line.as_str()]);
                    }
                    return line;
                }
                Action::Interrupt => self.shell.status.set(130),
                Action::Eof => self.tty.note("The agent lives on; `exit` begins a fresh shell."),
            }
        }
    }

    /// What is the same at the prompt and beside a job.
    fn handle(&self, event: Event) {
        match event {
            Event::Input(bytes) => self.tty.typed(&bytes),
            Event::Resize(size) => self.tty.resize(size),
            Event::Resume(resume) => {
                self.tty.resize(resume.size);
                if resume.cause == agent::types::ResumeCause::Restart {
                    self.tty.note("restarted");
                }
            }
            Event::Message(message) => {
                let text = String::from_utf8_lossy(&message.body);
                let text: String =
                    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN).collect();
                self.tty.note(&format!("message: {text}"));
            }
            Event::Stop(_) => self.shell.common.history.borrow_mut().save(),
        }
    }

    /// Runs text as the job in front, until it ends or Ctrl-C is typed.
    async fn foreground(&mut self, text: &str) {
        match self.watch(text).await {
            End::Flow(Ok(status)) => self.shell.status.set(status),
            End::Flow(Err(Jump::Exit(status))) => self.restart(status).await,
            End::Flow(Err(Jump::Abandon(status) | Jump::Failed(status) | Jump::Return(status))) => {
                self.shell.status.set(status);
            }
            End::Flow(Err(Jump::Break(_) | Jump::Continue(_))) => {}
            End::Interrupted => {
                self.shell.status.set(130);
                let trap = self.shell.traps.borrow().get("INT").cloned();
                if let Some(action) = trap {
                    // Interrupted again, it ends: it is not run a second time.
                    let _ = self.watch(&action).await;
                    self.shell.status.set(130);
                }
            }
        }
    }

    async fn watch(&self, text: &str) -> End {
        // Ctrl-C may have come with the line, in a paste or before the agent had time.
        if self.tty.typed_beside(b"") {
            self.tty.interrupted();
            return End::Interrupted;
        }
        let (shell, text) = (self.shell.clone(), text.to_owned());
        let mut job = task::spawn(async move { shell.run_text(&text).await });
        loop {
            match agent::select(&mut job, agent::next_event()).await {
                agent::Either::First(flow) => return End::Flow(flow),
                agent::Either::Second(Event::Input(bytes)) => {
                    if self.tty.typed_beside(&bytes) {
                        job.abort();
                        self.tty.interrupted();
                        return End::Interrupted;
                    }
                }
                agent::Either::Second(event) => self.handle(event),
            }
        }
    }

    /// `exit`: the shell ends, and as the agent lives on, another begins.
    async fn restart(&mut self, status: u8) {
        let shell = self.shell.clone();
        shell.status.set(status);
        let mut ending = task::spawn(async move { Ok(shell.leave(Err(Jump::Exit(status))).await) });
        loop {
            match agent::select(&mut ending, agent::next_event()).await {
                agent::Either::First(_) => break,
                agent::Either::Second(Event::Input(bytes)) => {
                    if self.tty.typed_beside(&bytes) {
                        break;
                    }
                }
                agent::Either::Second(event) => self.handle(event),
            }
        }
        drop(ending);
        for job in self.shell.jobs.borrow().all() {
            job.kill(1);
        }
        self.shell.common.history.borrow_mut().save();
        let text =
            if status == 0 { "a fresh shell".to_owned() } else { format!("exit {status}; a fresh shell") };
        self.tty.note(&text);
        self.shell = Shell::with_common(self.shell.common.clone(), streams(&self.tty));
    }

    /// Says which jobs ended since the last prompt.
    fn report_jobs(&self) {
        let finished = self.shell.jobs.borrow_mut().take_finished();
        for (mark, job) in finished {
            self.tty.print(&builtins::job_line(mark, &job));
        }
    }
}
