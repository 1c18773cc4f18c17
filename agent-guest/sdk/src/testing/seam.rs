//! The imports, answered by the thread's [`FakeHost`](super::FakeHost).

use std::time::Duration;

use super::{CURRENT, LogEntry, State};
use crate::terminal::MAX_WRITE;
use crate::types::{Level, OpId, Operation, Refusal, RefusalCode, Size};

fn with<R>(act: impl FnOnce(&mut State) -> R) -> R {
    let state = CURRENT.with_borrow(Clone::clone);
    match state {
        Some(state) => act(&mut state.borrow_mut()),
        None => panic!("no host on this thread: outside a component, make an agent::testing::FakeHost first"),
    }
}

pub(crate) fn submit(operation: &Operation) -> Result<OpId, Refusal> {
    with(|state| {
        if let Some(refusal) = &state.refuse_operations {
            return Err(refusal.clone());
        }
        let id = state.operations.len() as OpId + 1;
        if let Operation::Sleep(ms) = operation {
            state.timers.insert((state.now.saturating_add(Duration::from_millis(*ms)), id));
        }
        state.operations.push((id, operation.clone()));
        state.pending.insert(id, operation.clone());
        Ok(id)
    })
}

pub(crate) fn cancel(id: OpId) {
    with(|state| {
        if state.pending.remove(&id).is_some() {
            state.timers.retain(|(_, op)| *op != id);
            state.cancelled.push(id);
        }
    });
}

pub(crate) fn write(bytes: &[u8]) -> Result<(), Refusal> {
    with(|state| {
        if let Some(refusal) = &state.refuse_writes {
            return Err(refusal.clone());
        }
        if bytes.len() > MAX_WRITE {
            let reason = format!("at most {MAX_WRITE} bytes a call");
            return Err(Refusal { code: RefusalCode::LimitExceeded, reason });
        }
        state.output.extend_from_slice(bytes);
        Ok(())
    })
}

pub(crate) fn size() -> Size {
    with(|state| state.size)
}

pub(crate) fn interrupted() -> bool {
    with(|state| match &mut state.interrupt_after {
        None => false,
        Some(0) => true,
        Some(asks) => {
            *asks -= 1;
            false
        }
    })
}

pub(crate) fn log(level: Level, message: &str, fields: &[(String, String)]) {
    with(|state| {
        state.log.push(LogEntry { level, message: message.to_owned(), fields: fields.to_vec() });
    });
}
