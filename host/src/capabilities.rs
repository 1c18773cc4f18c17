//! What a guest may import, one file each: the table of contents of the sandbox.
//!
//! | import | file | grant |
//! |---|---|---|
//! | `openclaw:agent/operations` | `operations.rs` | each operation by its own rules |
//! | `openclaw:agent/terminal` | `terminal.rs` | always |
//! | `openclaw:agent/log` | `log.rs` | always |
//! | `wasi:cli`, `wasi:clocks`, `wasi:io` | `wasi.rs` | always, for language runtimes |
//! | `wasi:random` | `random.rs` | always, charged by the byte |
//! | `wasi:sockets` | `sockets.rs` | never: for runtimes that import it, and are refused when they call it |
//! | `wasi:filesystem` | `../workspace/` | `/work` alone, within its quota |
//! | `openclaw-restore-*` | `../handles/` | while a checkpoint is restored: its own handles again |

use wasmtime::{Engine, component::Linker};

use crate::agent::state::AgentState;

mod log;
mod operations;
mod random;
mod sockets;
mod terminal;
pub(crate) mod wasi;

/// Everything a guest may import.
///
/// # Errors
/// When two capabilities define the same import: a bug found by any test that starts a host.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<AgentState>> {
    use wasmtime::component::HasSelf;

    use crate::bindings::agent::openclaw::agent as contract;

    let mut linker = Linker::new(engine);
    wasi::link(&mut linker)?;
    random::link(&mut linker)?;
    sockets::link(&mut linker)?;
    crate::workspace::add_to_linker(&mut linker, AgentState::files)?;
    crate::handles::link(&mut linker)?;
    contract::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    contract::operations::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    contract::terminal::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    contract::log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl crate::bindings::agent::openclaw::agent::types::Host for AgentState {}
