//! Runs the tree.

use std::{cell::Cell, rc::Rc};

use crate::{
    io::{LocalFuture, Reader, pipe},
    shell::{
        Counted, Flow, Jump, MAX_DEPTH, Shell,
        options::Options,
        task::{Child, spawn},
    },
    syntax::{self, AndOr, Command, Kind, List, Pipeline},
};

mod compound;
mod redirect;
pub(crate) mod simple;
pub(crate) mod test;
#[cfg(test)]
mod tests;

pub(crate) use simple::read_script;

/// Most stages and background jobs that run at once, over all subshells.
pub(crate) const MAX_TASKS: usize = 256;
/// Every so many levels a command runs as a task of its own, with a fresh stack: a guest's is small.
const LEVELS_PER_TASK: usize = 12;

/// Counts a running task.
struct Running(Rc<crate::shell::Common>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
    }
}

/// Counts a level of nesting.
struct Level<'a>(&'a Cell<usize>);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Shell {
    /// Parses and runs text in this shell: `eval`, a sourced file, a line at the prompt.
    pub(crate) fn run_text<'a>(&'a self, text: &'a str) -> LocalFuture<'a, Flow> {
        Box::pin(async move {
            match syntax::parse(text) {
                Ok(list) => self.list(&list).await,
                Err(error) => {
                    self.complain(&error.to_string()).await;
                    Ok(2)
                }
            }
        })
    }

    /// Runs a whole script as a subshell or `sh` does: to its status, with its EXIT trap.
    pub(crate) async fn run_subshell(&self, list: &List) -> u8 {
        let flow = self.list(list).await;
        self.leave(flow).await
    }

    /// What a shell's end comes to, after its EXIT trap.
    pub(crate) async fn leave(&self, flow: Flow) -> u8 {
        let mut status = match flow {
            Ok(status) => status,
            Err(Jump::Exit(status) | Jump::Return(status) | Jump::Failed(status) | Jump::Abandon(status)) => {
                status
            }
            Err(Jump::Break(_) | Jump::Continue(_)) => self.status.get(),
        };
        let trap = self.traps.borrow_mut().remove("EXIT");
        if let Some(action) = trap {
            self.status.set(status);
            if let Err(Jump::Exit(other)) = self.run_text(&action).await {
                status = other;
            }
        }
        status
    }

    pub(crate) fn list<'a>(&'a self, list: &'a List) -> LocalFuture<'a, Flow> {
        Box::pin(async move {
            let mut status = 0;
            for item in list {
                status = if item.background {
                    self.background(&item.list).await?
                } else {
                    self.and_or(&item.list).await?
                };
                self.status.set(status);
            }
            Ok(status)
        })
    }

    /// A list whose status is asked for: `set -e` leaves it alone.
    pub(crate) async fn condition(&self, list: &List) -> Result<bool, Jump> {
        let _counted = Counted::new(&self.conditions);
        Ok(self.list(list).await? == 0)
    }

    async fn and_or(&self, list: &AndOr) -> Flow {
        let Some(((_, last), between)) = list.rest.split_last() else {
            return self.pipeline(&list.first, true).await;
        };
        let mut status = {
            let _counted = Counted::new(&self.conditions);
            let mut status = self.pipeline(&list.first, false).await?;
            for (and, pipeline) in between {
                self.status.set(status);
                if (status == 0) == *and {
                    status = self.pipeline(pipeline, false).await?;
                }
            }
            status
        };
        self.status.set(status);
        let (and, _) = list.rest[list.rest.len() - 1];
        if (status == 0) == and {
            status = self.pipeline(last, true).await?;
        }
        Ok(status)
    }

    /// `counts`: under `set -e`, its failure ends the shell.
    async fn pipeline(&self, pipeline: &Pipeline, counts: bool) -> Flow {
        let started = pipeline.timed.then(crate::clock::now);
        let counted = pipeline.negated.then(|| Counted::new(&self.conditions));
        let mut status = match &pipeline.commands[..] {
            [] => 0,
            [command] => self.command(command).await?,
            commands => self.stages(commands).await?,
        };
        drop(counted);
        if let Some(started) = started {
            let seconds = started.elapsed().as_secs_f64();
            self.error_line(&format!("\nreal\t{}m{:.3}s\n", (seconds / 60.0).floor(), seconds % 60.0)).await;
        }
        if pipeline.negated {
            return Ok(u8::from(status == 0));
        }
        if status != 0 && counts && self.conditions.get() == 0 && self.option(Options::ERR_EXIT) {
            self.status.set(status);
            return Err(Jump::Exit(status));
        }
        if !counts {
            // So that `a || b` knows it, whatever a compound command left there.
            self.status.set(status);
        }
        status &= 0xff;
        Ok(status)
    }

    /// Stages side by side, each a subshell, between bounded pipes.
    async fn stages(&self, commands: &[Rc<Command>]) -> Flow {
        let mut stages: Vec<Child> = Vec::with_capacity(commands.len());
        let mut input = None;
        for (n, command) in commands.iter().enumerate() {
            let mut fds = self.fds();
            if let Some(reader) = input.take() {
                fds = fds.with_reader(0, reader);
            }
            if n + 1 < commands.len() {
                let (reader, writer) = pipe();
                fds = fds.with_writer(1, writer);
                input = Some(reader);
            }
            let shell = self.fork(fds);
            let command = command.clone();
            stages.push(
                self.start(async move {
                    let flow = shell.command(&command).await;
                    Ok(shell.leave(flow).await)
                })
                .await?,
            );
        }
        let mut result = 0;
        let mut failed = 0;
        for stage in stages {
            result = stage.await?;
            if result != 0 {
                failed = result;
            }
        }
        Ok(if self.option(Options::PIPE_FAIL) { failed } else { result })
    }

    /// Runs beside the current task, within the bound.
    pub(crate) async fn start(&self, future: impl Future<Output = Flow> + 'static) -> Result<Child, Jump> {
        let tasks = &self.common.tasks;
        if tasks.get() >= MAX_TASKS {
            return self.give_up(&format!("more than {MAX_TASKS} commands at once")).await;
        }
        tasks.set(tasks.get() + 1);
        let running = Running(self.common.clone());
        Ok(spawn(async move {
            let _running = running;
            future.await
        }))
    }

    async fn background(&self, list: &Rc<AndOr>) -> Flow {
        let pid = self.new_pid();
        let job = self.jobs.borrow_mut().add(pid, list.text.clone());
        let Some(job) = job else {
            return self.give_up(&format!("more than {} jobs", crate::shell::jobs::MAX_JOBS)).await;
        };
        let mut fds = self.fds();
        // What runs in the background must not take what is typed to what runs in front.
        if fds.get(0).is_none_or(|fd| fd.terminal) {
            fds = fds.with_reader(0, Reader::empty());
        }
        let shell = self.fork(fds);
        let list = list.clone();
        let own = job.clone();
        let started = self
            .start(async move {
                let flow = shell.and_or(&list).await;
                let status = shell.leave(flow).await;
                drop(shell);
                own.finish(status);
                Ok(status)
            })
            .await;
        match started {
            Ok(child) => job.hold(child),
            Err(jump) => {
                self.jobs.borrow_mut().remove(&job);
                return Err(jump);
            }
        }
        if self.common.interactive.get() && !self.subshell {
            self.error_line(&format!("[{}] {pid}\n", job.number)).await;
        }
        Ok(0)
    }

    pub(crate) fn command<'a>(&'a self, command: &'a Rc<Command>) -> LocalFuture<'a, Flow> {
        Box::pin(async move {
            let depth = self.depth.get() + 1;
            if depth > MAX_DEPTH {
                return self.give_up(&format!("commands nested more than {MAX_DEPTH} deep")).await;
            }
            self.depth.set(depth);
            let _level = Level(&self.depth);
            if depth.is_multiple_of(LEVELS_PER_TASK) {
                let (shell, command) = (self.clone(), command.clone());
                return spawn(async move { shell.here(&command).await }).await;
            }
            self.here(command).await
        })
    }

    async fn here(&self, command: &Command) -> Flow {
        self.step().await;
        if self.option(Options::NO_EXEC) && !self.common.interactive.get() {
            return Ok(0);
        }
        match &command.kind {
            Kind::Simple(simple) => self.simple(simple, &command.redirects).await,
            kind if command.redirects.is_empty() => self.compound(kind).await,
            kind => match self.redirect(&command.redirects).await? {
                Some(_restore) => self.compound(kind).await,
                None => Ok(1),
            },
        }
    }
}
