//! WASI 0.2 for language runtimes: clocks, environment and stdio.
//!
//! Standard input is at its end (input comes as events), standard output is the terminal and
//! standard error the log. A command has all three on the terminal.
//!
//! What gives or takes handles is linked by our own [`View`], which keeps the shadow of the component's
//! handles; the work is wasmtime-wasi's.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use wasmtime::component::Linker;
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiView as _,
    cli::{IsTerminal, StdinStream, StdoutStream, WasiCli, WasiCliView as _},
    clocks::{WasiClocks, WasiClocksView as _},
    p2::{
        Pollable, StreamResult,
        bindings::{cli as bind, clocks, io as bind_io, random},
    },
    random::WasiRandom,
};
use wasmtime_wasi_io::streams::OutputStream;
use wire::log::{Level, Source};

use crate::{
    agent::{Shared, driver::SLICE_FUEL, pace::fuel_of, state::AgentState},
    handles::{Clock, Line},
};

mod cli;
mod io;
mod view;

pub(super) use view::HasView;
pub(crate) use view::View;

/// Bytes of standard output or error taken in one write.
const MAX_WRITE_BYTES: usize = 16 * 1024;
/// Longest unfinished line of standard error.
pub(crate) const MAX_LINE_BYTES: usize = 8 * 1024;

/// Links everything but the filesystem.
pub(crate) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    bind_io::error::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind_io::poll::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind_io::streams::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, AgentState::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    bind::exit::add_to_linker::<_, WasiCli>(linker, AgentState::cli)?;
    bind::environment::add_to_linker::<_, WasiCli>(linker, AgentState::cli)?;
    bind::stdin::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::stdout::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::stderr::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::terminal_input::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::terminal_output::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::terminal_stdin::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::terminal_stdout::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    bind::terminal_stderr::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    Ok(())
}

/// The context of one agent, whose monotonic clock is `clock`.
pub(crate) fn context(shared: &Arc<Shared>, env: &BTreeMap<String, String>, clock: Clock) -> WasiCtx {
    builder(shared, env, "agent", clock).build()
}

/// The context of a command called `name`: its standard streams are the terminal, all three.
pub(crate) fn command_context(
    shared: &Arc<Shared>,
    env: &BTreeMap<String, String>,
    name: &str,
    stdin: impl StdinStream + 'static,
) -> WasiCtx {
    let stderr = Stdio { shared: shared.clone() };
    builder(shared, env, name, Clock::new()).stdin(stdin).stderr(stderr).build()
}

/// What both have: the environment, standard output on the terminal, and no network.
fn builder(shared: &Arc<Shared>, env: &BTreeMap<String, String>, name: &str, clock: Clock) -> WasiCtxBuilder {
    let mut builder = WasiCtx::builder();
    for (name, value) in env {
        builder.env(name, value);
    }
    let stdout = Stdio { shared: shared.clone() };
    builder.arg(name).monotonic_clock(clock).stdout(stdout).allow_tcp(false).allow_udp(false);
    builder
}

/// Standard output; standard error comes from [`Stream::of_stderr`] and is no terminal.
#[derive(Clone)]
struct Stdio {
    shared: Arc<Shared>,
}

impl IsTerminal for Stdio {
    fn is_terminal(&self) -> bool {
        true
    }
}

impl StdoutStream for Stdio {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Stream { shared: self.shared.clone(), line: None, spent: 0 })
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for it, which is not linked.
        Box::new(tokio::io::sink())
    }
}

pub(crate) struct Stream {
    shared: Arc<Shared>,
    /// The unfinished line, for standard error.
    line: Option<Line>,
    /// Nanoseconds, which are fuel, since it last ended a slice.
    spent: u64,
}

impl Stream {
    /// A stream of standard error on which `begun` was written already, and the line it is in.
    pub(crate) fn of_stderr(shared: &Arc<Shared>, begun: Vec<u8>) -> (Self, Line) {
        let line = Line::new(begun.into());
        (Self { shared: Arc::clone(shared), line: Some(Arc::clone(&line)), spent: 0 }, line)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {
        if self.spent >= SLICE_FUEL {
            self.spent = 0;
            crate::executor::end_slice().await;
        }
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let begun = Instant::now();
        match &mut self.line {
            // As a terminal does in its usual mode (ONLCR): a newline also returns to the margin.
            None => self.shared.output(&with_returns(&bytes)),
            Some(line) => {
                let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
                for part in bytes.split_inclusive(|b| *b == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") || line.len() >= MAX_LINE_BYTES {
                        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                        line.clear();
                        self.shared.note(Level::Info, Source::Stderr, text, vec![]);
                    }
                }
            }
        }
        let took = fuel_of(begun.elapsed());
        self.spent = self.spent.saturating_add(took);
        self.shared.meters.stdio.fetch_add(took, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // Nothing until `ready` has let others go first.
        Ok(if self.spent < SLICE_FUEL { MAX_WRITE_BYTES } else { 0 })
    }
}

fn with_returns(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for &byte in bytes {
        if byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{agent::state::tests::shared, terminal::log::Tail};

    #[test]
    fn standard_output_is_the_terminal_and_standard_error_the_log() {
        let shared = shared();
        let mut out = Stdio { shared: shared.clone() }.p2_stream();
        out.write(Bytes::from_static(b"a\nb\r\n")).unwrap();
        assert_eq!(shared.terminal().read(0, 100), Tail::Bytes(b"a\r\nb\r\n".to_vec()));
        let (mut err, line) = Stream::of_stderr(&shared, Vec::new());
        err.write(Bytes::from_static(b"half ")).unwrap();
        err.write(Bytes::from_static(b"line\nnext")).unwrap();
        let (text, last) = shared.journal().after(0, Level::Trace, 1000);
        assert!(text.contains(r#""message":"half line""#) && last == 1, "{text}");
        assert_eq!(*line.lock().unwrap(), b"next");
    }
}
