//! What holds for any bytes.

use wasmparser::{Parser, Payload};

use crate::{ACCESS, MAX_GLOBALS, MAX_MEMORIES, MAX_RESOURCES, Unsuspendable, instrument, scan};

/// Instruments any bytes. Returns whether they are a component that can be suspended.
///
/// # Panics
/// When the instrumenter is wrong: its result is invalid, or lacks what the layout says.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) -> bool {
    let instrumented = match instrument(data) {
        Ok(instrumented) => instrumented,
        Err(error) => {
            assert!(!matches!(error, Unsuspendable::Output { .. }), "{error}");
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let layout = &instrumented.layout;
    assert!(scan::validate(&instrumented.component).is_ok());
    assert!(layout.memories as usize <= MAX_MEMORIES);
    assert!(layout.globals as usize <= MAX_GLOBALS);
    assert!(layout.resources.len() <= MAX_RESOURCES);
    let exported = Parser::new(0).parse_all(&instrumented.component).any(|payload| match payload {
        Ok(Payload::ComponentExportSection(section)) => {
            section.into_iter().flatten().any(|export| export.name.name == ACCESS)
        }
        _ => false,
    });
    assert!(exported);
    // instrumenting is not repeatable, and says so
    assert!(instrument(&instrumented.component).is_err());
    true
}
