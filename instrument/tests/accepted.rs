//! What instrumented components look like.
#![allow(clippy::unwrap_used, reason = "a test's own helpers fail as its assertions do")]

use instrument::{ACCESS, Instrumented, Layout, Resource, instrument};
use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Parser, Payload, Validator};

#[path = "support/fixtures.rs"]
mod fixtures;

use fixtures::{FIXTURES, fixture};

fn instrumented(name: &str) -> Instrumented {
    instrument(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names of the functions that the access instance exports.
fn functions(component: &[u8]) -> Vec<String> {
    let types = Validator::new().validate_all(component).unwrap();
    let types = types.as_ref();
    let Some(ComponentEntityType::Instance(id)) = types.component_item_for_export(ACCESS).map(|item| item.ty)
    else {
        panic!("no access instance")
    };
    types[id].exports.keys().cloned().collect()
}

/// Imports that make handles.
fn restores(component: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::ComponentImportSection(section) = payload.unwrap() {
            names.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
        }
    }
    names.retain(|name| name.starts_with("openclaw-restore-"));
    names
}

/// Whatever is not within a core module's section of exports: the level it is on, its section's id, its bytes.
fn kept(component: &[u8]) -> Vec<(usize, u8, Vec<u8>)> {
    let (mut depth, mut kept, mut module) = (0, Vec::new(), false);
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.unwrap();
        match &payload {
            Payload::Version { encoding, .. } => {
                depth += 1;
                module = *encoding == wasmparser::Encoding::Module;
            }
            Payload::End(_) => {
                depth -= 1;
                module = false;
            }
            // a core module's section is longer by its exports
            Payload::ModuleSection { .. } => kept.push((depth, 1, Vec::new())),
            Payload::ExportSection(_) if module => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    kept.push((depth, id, component[range].to_vec()));
                }
            }
        }
    }
    kept
}

#[test]
fn everything_else_stays() {
    for (name, _) in FIXTURES {
        let (before, after) = (kept(&fixture(name)), kept(&instrumented(name).component));
        assert!(after.len() > before.len(), "{name}");
        assert_eq!(after[..before.len()], before, "{name}");
    }
}

#[test]
fn results_are_valid_for_any_validator() {
    for (name, _) in FIXTURES {
        let component = instrumented(name).component;
        Validator::new().validate_all(&component).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_component_without_state() {
    let Instrumented { component, layout } = instrumented("empty");
    assert_eq!(layout, Layout { memories: 0, globals: 0, resources: vec![] });
    assert_eq!(functions(&component), ["seek", "gget", "gset"]);
    assert_eq!(restores(&component), [""; 0]);
}

#[test]
fn globals_of_every_type() {
    let Instrumented { component, layout } = instrumented("state");
    assert_eq!(layout, Layout { memories: 1, globals: 6, resources: vec![] });
    assert_eq!(functions(&component), ["size0", "grow0", "read0", "write0", "seek", "gget", "gset"]);
}

#[test]
fn state_is_captured_where_it_is_defined() {
    let Instrumented { component, layout } = instrumented("shared");
    assert_eq!(layout, Layout { memories: 2, globals: 3, resources: vec![] });
    let names = functions(&component);
    assert!(names.contains(&"read1".to_owned()) && !names.contains(&"read2".to_owned()), "{names:?}");
}

#[test]
fn resources_are_told_apart() {
    let Instrumented { component, layout } = instrumented("resources");
    let resource = |interface: &str, name: &str, restorable| Resource {
        interface: interface.to_owned(),
        name: name.to_owned(),
        restorable,
    };
    let expected = [
        resource("wasi:io/error@0.2.6", "error", true),
        resource("wasi:io/streams@0.2.6", "output-stream", true),
        resource("other:io/streams", "output-stream", false),
        resource("", "pollable", true),
        resource("acme:things/all", "gadget", false),
    ];
    assert_eq!(layout.resources, expected);
    assert_eq!(layout.resource_index("output-stream"), Some(1));
    assert_eq!(layout.resource_index("pollable"), Some(3));
    assert_eq!(layout.resource_index("gadget"), None);
    assert_eq!(layout.resource_index("descriptor"), None);
    assert_eq!(
        restores(&component),
        ["openclaw-restore-error", "openclaw-restore-output-stream", "openclaw-restore-pollable"]
    );
    let names = functions(&component);
    for added in ["make0", "drop0", "make1", "drop1", "make3", "drop3"] {
        assert!(names.contains(&added.to_owned()), "{added} of {names:?}");
    }
    for absent in ["make2", "drop2", "make4", "drop4"] {
        assert!(!names.contains(&absent.to_owned()), "{absent} of {names:?}");
    }
}

#[test]
fn components_within_that_only_give_names() {
    let Instrumented { component, layout } = instrumented("nested");
    assert_eq!(layout.resource_index("input-stream"), Some(0));
    assert_eq!(restores(&component), ["openclaw-restore-input-stream"]);
}

#[test]
fn the_same_bytes_every_time() {
    for (name, _) in FIXTURES {
        assert_eq!(instrumented(name), instrumented(name));
    }
}
