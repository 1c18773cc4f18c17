//! The streams of a shell by number.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use crate::io::{Reader, Writer};

/// The highest number a script may name.
pub(crate) const MAX_FD: u32 = 255;

/// One open stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fd {
    pub(crate) reader: Option<Reader>,
    pub(crate) writer: Option<Writer>,
    pub(crate) terminal: bool,
}

/// All open streams; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fds(Rc<BTreeMap<u32, Fd>>);

impl Fds {
    /// Standard input, output and error.
    pub(crate) fn new(stdin: Reader, stdout: Writer, stderr: Writer, terminal: bool) -> Self {
        let mut fds = Self::default();
        fds.set(0, Fd { reader: Some(stdin), writer: None, terminal });
        for (number, writer) in [(1, stdout), (2, stderr)] {
            fds.set(number, Fd { reader: None, terminal: writer.is_terminal(), writer: Some(writer) });
        }
        fds
    }

    pub(crate) fn set(&mut self, number: u32, fd: Fd) {
        Rc::make_mut(&mut self.0).insert(number, fd);
    }

    pub(crate) fn close(&mut self, number: u32) {
        Rc::make_mut(&mut self.0).remove(&number);
    }

    pub(crate) fn get(&self, number: u32) -> Option<Fd> {
        self.0.get(&number).cloned()
    }

    pub(crate) fn reader(&self, number: u32) -> Option<Reader> {
        self.0.get(&number)?.reader.clone()
    }

    pub(crate) fn writer(&self, number: u32) -> Option<Writer> {
        self.0.get(&number)?.writer.clone()
    }

    pub(crate) fn with_reader(mut self, number: u32, reader: Reader) -> Self {
        self.set(number, Fd { reader: Some(reader), ..Fd::default() });
        self
    }

    pub(crate) fn with_writer(mut self, number: u32, writer: Writer) -> Self {
        let terminal = writer.is_terminal();
        self.set(number, Fd { reader: None, writer: Some(writer), terminal });
        self
    }
}

/// Brings a shell's streams back when dropped.
#[derive(Debug)]
pub(crate) struct Restore<'a> {
    pub(crate) place: &'a RefCell<Fds>,
    pub(crate) old: Option<Fds>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if let Some(old) = self.old.take() {
            *self.place.borrow_mut() = old;
        }
    }
}
