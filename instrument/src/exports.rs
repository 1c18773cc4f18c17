//! What a component exports, read without compiling it.

use wasmparser::{Parser, Payload};

/// Names of the component's own exports, in their order; what cannot be read ends the list.
#[must_use]
pub fn exports(component: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::ModuleSection { .. } | Payload::ComponentSection { .. }) => depth += 1,
            Ok(Payload::End(_)) => depth = depth.saturating_sub(1),
            Ok(Payload::ComponentExportSection(section)) if depth == 0 => {
                names.extend(
                    section.into_iter().map_while(Result::ok).map(|export| export.name.name.to_owned()),
                );
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    names
}
