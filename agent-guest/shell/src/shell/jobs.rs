//! Background jobs.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Poll, Waker},
};

use super::task::Child;

/// Most jobs a shell has at once, finished ones it has not looked at included.
pub(crate) const MAX_JOBS: usize = 64;

/// One command run with `&`.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) pid: u32,
    pub(crate) text: Rc<str>,
    status: Cell<Option<u8>>,
    signal: Cell<Option<u8>>,
    wakers: RefCell<Vec<Waker>>,
    task: RefCell<Option<Child>>,
}

impl Job {
    pub(crate) fn status(&self) -> Option<u8> {
        self.status.get()
    }

    pub(crate) fn signal(&self) -> Option<u8> {
        self.signal.get()
    }

    pub(crate) fn hold(&self, task: Child) {
        *self.task.borrow_mut() = Some(task);
    }

    pub(crate) fn finish(&self, status: u8) {
        if self.status.get().is_none() {
            self.status.set(Some(status));
        }
        for waker in self.wakers.take() {
            waker.wake();
        }
    }

    /// Ends it as a signal of that number does.
    pub(crate) fn kill(&self, signal: u8) {
        if self.status.get().is_none() {
            self.signal.set(Some(signal));
            self.finish(128_u8.saturating_add(signal));
        }
        // Out of the cell first: what it drops may look at this job.
        let task = self.task.borrow_mut().take();
        drop(task);
    }

    pub(crate) async fn wait(&self) -> u8 {
        std::future::poll_fn(|cx| match self.status.get() {
            Some(status) => Poll::Ready(status),
            None => {
                self.wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// The jobs of one shell.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    all: Vec<Rc<Job>>,
    /// `$!`.
    pub(crate) last_pid: Option<u32>,
}

impl Jobs {
    /// A subshell can name the last job's number, but has no jobs.
    pub(crate) fn in_subshell(&self) -> Self {
        Self { all: Vec::new(), last_pid: self.last_pid }
    }

    /// A new job; `None` when there are too many.
    pub(crate) fn add(&mut self, pid: u32, text: Rc<str>) -> Option<Rc<Job>> {
        if self.all.len() >= MAX_JOBS {
            self.all.retain(|job| job.status().is_none());
        }
        if self.all.len() >= MAX_JOBS {
            return None;
        }
        let number = self.all.iter().map(|job| job.number).max().unwrap_or(0) + 1;
        let job = Rc::new(Job {
            number,
            pid,
            text,
            status: Cell::new(None),
            signal: Cell::new(None),
            wakers: RefCell::default(),
            task: RefCell::default(),
        });
        self.all.push(job.clone());
        self.last_pid = Some(pid);
        Some(job)
    }

    pub(crate) fn all(&self) -> &[Rc<Job>] {
        &self.all
    }

    pub(crate) fn remove(&mut self, job: &Job) {
        self.all.retain(|other| other.pid != job.pid);
    }

    /// `%2`, `%%`, `%-`, `%text`, or a number as `$!` gives it.
    pub(crate) fn find(&self, name: &str) -> Option<Rc<Job>> {
        let Some(job) = name.strip_prefix('%') else {
            let pid = name.parse::<u32>().ok()?;
            return self.all.iter().find(|job| job.pid == pid).cloned();
        };
        match job {
            "" | "%" | "+" => self.all.last().cloned(),
            "-" => self.all.iter().rev().nth(1).or(self.all.last()).cloned(),
            _ => match job.parse::<usize>() {
                Ok(number) => self.all.iter().find(|job| job.number == number).cloned(),
                Err(_) => self.all.iter().find(|other| other.text.starts_with(job)).cloned(),
            },
        }
    }

    /// `+` for the last job, `-` for the one before it.
    pub(crate) fn mark(&self, job: &Job) -> char {
        let from_end = self.all.iter().rev().position(|other| other.pid == job.pid);
        match from_end {
            Some(0) => '+',
            Some(1) => '-',
            _ => ' ',
        }
    }

    /// Takes out what has ended.
    pub(crate) fn take_finished(&mut self) -> Vec<(char, Rc<Job>)> {
        let finished: Vec<_> = self
            .all
            .iter()
            .filter(|job| job.status().is_some())
            .map(|job| (self.mark(job), job.clone()))
            .collect();
        self.all.retain(|job| job.status().is_none());
        finished
    }
}
