//! `wasi:cli`'s handles and `wasi:clocks/monotonic-clock`: wasmtime-wasi's, with every handle that begins or
//! ends written into the shadow.

use checkpoint::manifest::Handle;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::{
    cli::{
        stderr, stdin, stdout,
        terminal_input::{self, TerminalInput},
        terminal_output::{self, TerminalOutput},
        terminal_stderr, terminal_stdin, terminal_stdout,
    },
    clocks::monotonic_clock,
};
use wasmtime_wasi_io::{
    poll::DynPollable,
    streams::{DynInputStream, DynOutputStream},
};

use super::{Stream, view::View};
use crate::{
    handles::{Kind, Resource as Type},
    workspace::wasi::{dummy_descriptor, dummy_entries},
};

impl stdin::Host for View<'_> {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream = stdin::Host::get_stdin(&mut self.cli())?;
        Ok(self.given(Kind::Stdin, stream))
    }
}

impl stdout::Host for View<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream = stdout::Host::get_stdout(&mut self.cli())?;
        Ok(self.given(Kind::Stdout, stream))
    }
}

impl stderr::Host for View<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        if self.shows_stderr {
            let stream = stderr::Host::get_stderr(&mut self.cli())?;
            // Never captured, so it does not matter that standard output is described the same way.
            return Ok(self.given(Kind::Stdout, stream));
        }
        let (stream, line) = Stream::of_stderr(self.shared, Vec::new());
        let stream: DynOutputStream = Box::new(stream);
        let stream = self.table.push(stream)?;
        Ok(self.given(Kind::Stderr(line), stream))
    }
}

impl terminal_input::Host for View<'_> {}

impl terminal_input::HostTerminalInput for View<'_> {
    fn drop(&mut self, terminal: Resource<TerminalInput>) -> wasmtime::Result<()> {
        self.shadow.remove(terminal.rep());
        terminal_input::HostTerminalInput::drop(&mut self.cli(), terminal)
    }
}

impl terminal_output::Host for View<'_> {}

impl terminal_output::HostTerminalOutput for View<'_> {
    fn drop(&mut self, terminal: Resource<TerminalOutput>) -> wasmtime::Result<()> {
        self.shadow.remove(terminal.rep());
        terminal_output::HostTerminalOutput::drop(&mut self.cli(), terminal)
    }
}

impl terminal_stdin::Host for View<'_> {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<TerminalInput>>> {
        let terminal = terminal_stdin::Host::get_terminal_stdin(&mut self.cli())?;
        Ok(terminal.map(|terminal| self.given(Kind::TerminalInput, terminal)))
    }
}

impl terminal_stdout::Host for View<'_> {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let terminal = terminal_stdout::Host::get_terminal_stdout(&mut self.cli())?;
        Ok(terminal.map(|terminal| self.given(Kind::TerminalOutput, terminal)))
    }
}

impl terminal_stderr::Host for View<'_> {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        let terminal = terminal_stderr::Host::get_terminal_stderr(&mut self.cli())?;
        Ok(terminal.map(|terminal| self.given(Kind::TerminalOutput, terminal)))
    }
}

impl monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        monotonic_clock::Host::now(&mut self.clocks())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        monotonic_clock::Host::resolution(&mut self.clocks())
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let pollable = monotonic_clock::Host::subscribe_instant(&mut self.clocks(), when)?;
        Ok(self.given(Kind::Timer(when), pollable))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let when = monotonic_clock::Host::now(&mut self.clocks())?.saturating_add(duration);
        let pollable = monotonic_clock::Host::subscribe_duration(&mut self.clocks(), duration)?;
        Ok(self.given(Kind::Timer(when), pollable))
    }
}

impl View<'_> {
    /// Puts into the table what `handle` says, if it is one of stdio or a timer: its rep and kind. The
    /// component does not have it yet.
    pub(crate) fn revive(&mut self, handle: &Handle) -> wasmtime::Result<Option<(u32, Kind)>> {
        Ok(Some(match handle {
            Handle::Stdin => (stdin::Host::get_stdin(&mut self.cli())?.rep(), Kind::Stdin),
            Handle::Stdout => (stdout::Host::get_stdout(&mut self.cli())?.rep(), Kind::Stdout),
            Handle::Stderr(begun) => {
                let (stream, line) = Stream::of_stderr(self.shared, begun.clone());
                let stream: DynOutputStream = Box::new(stream);
                (self.table.push(stream)?.rep(), Kind::Stderr(line))
            }
            Handle::TerminalInput => (self.table.push(TerminalInput)?.rep(), Kind::TerminalInput),
            Handle::TerminalOutput => (self.table.push(TerminalOutput)?.rep(), Kind::TerminalOutput),
            Handle::Network => (self.new_network()?, Kind::Network),
            Handle::Timer { at } => {
                let timer = monotonic_clock::Host::subscribe_instant(&mut self.clocks(), *at)?;
                (timer.rep(), Kind::Timer(*at))
            }
            _ => return Ok(None),
        }))
    }

    /// Puts something of this type into the table that stands for nothing.
    pub(crate) fn dummy(&mut self, resource: Type) -> wasmtime::Result<u32> {
        Ok(match resource {
            Type::Input => stdin::Host::get_stdin(&mut self.cli())?.rep(),
            Type::Output => stdout::Host::get_stdout(&mut self.cli())?.rep(),
            Type::TerminalInput => self.table.push(TerminalInput)?.rep(),
            Type::TerminalOutput => self.table.push(TerminalOutput)?.rep(),
            Type::Network => self.new_network()?,
            Type::Error => self.table.push(wasmtime::Error::msg("a dummy"))?.rep(),
            Type::Pollable => monotonic_clock::Host::subscribe_instant(&mut self.clocks(), 0)?.rep(),
            Type::Descriptor => dummy_descriptor(self.table)?,
            Type::Entries => dummy_entries(self.table)?,
        })
    }
}
