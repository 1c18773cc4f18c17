//! Every reason to refuse a component.
#![allow(clippy::unwrap_used, reason = "a test's own helpers fail as its assertions do")]

use instrument::{
    MAX_COMPONENT_BYTES, MAX_GLOBALS, MAX_INSTANCES, MAX_MEMORIES, MAX_MODULES, Unsuspendable, instrument,
};

/// Why a component of WAT is refused.
fn refusal(wat: &str) -> Unsuspendable {
    let component = wat::parse_str(wat).unwrap();
    let error = instrument(&component).unwrap_err();
    assert!(!matches!(error, Unsuspendable::Output { .. } | Unsuspendable::Invalid { .. }), "{error}");
    error
}

/// Why a component is refused whose second core module holds this.
fn module(wat: &str) -> Unsuspendable {
    refusal(&format!("(component (core module) (core module {wat}))"))
}

#[test]
fn bytes_that_are_no_component() {
    assert_eq!(instrument(b"").unwrap_err(), Unsuspendable::NotAComponent);
    assert_eq!(instrument(b"#!/bin/sh\n").unwrap_err(), Unsuspendable::NotAComponent);
    let module = wat::parse_str("(module (memory 1))").unwrap();
    assert_eq!(instrument(&module).unwrap_err(), Unsuspendable::NotAComponent);
}

#[test]
fn invalid_components() {
    let component = wat::parse_str("(component (core module (func i32.const 1 drop)))").unwrap();
    for end in 8..component.len() {
        let cut = instrument(&component[..end]);
        // what ends between two sections is a component as well
        assert!(matches!(cut, Err(Unsuspendable::Invalid { .. }) | Ok(_)), "{end}: {cut:?}");
    }
    let mistyped = wat::parse_str("(component (core module (func (result i32) i64.const 1)))").unwrap();
    let error = instrument(&mistyped).unwrap_err();
    assert!(matches!(error, Unsuspendable::Invalid { .. }));
    assert!(error.to_string().contains("type mismatch"), "{error}");
}

#[test]
fn tables_that_change() {
    let cases = [
        ("table.set", "(table.set 0 (i32.const 0) (ref.null func))"),
        ("table.grow", "(drop (table.grow 0 (ref.null func) (i32.const 1)))"),
        ("table.fill", "(table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))"),
        ("table.copy", "(table.copy 0 0 (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("table.init", "(table.init 0 (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("elem.drop", "(elem.drop 0)"),
    ];
    for (operator, code) in cases {
        let error = module(&format!("(table 1 funcref) (elem func) (func) (func {code})"));
        assert_eq!(error, Unsuspendable::TableMutation { module: 1, operator });
        assert!(error.to_string().contains(operator));
    }
}

#[test]
fn references_in_globals() {
    let expected = Unsuspendable::ReferenceGlobal { module: 1 };
    assert_eq!(module("(global (mut funcref) (ref.null func))"), expected);
    assert_eq!(module("(global (mut externref) (ref.null extern))"), expected);
    assert_eq!(module(r#"(import "a" "b" (global (mut funcref)))"#), expected);
    let constant = wat::parse_str("(component (core module (global funcref (ref.null func))))").unwrap();
    assert!(instrument(&constant).is_ok());
}

#[test]
fn memories_of_other_kinds() {
    assert_eq!(module("(memory 1 1 shared)"), Unsuspendable::SharedMemory { module: 1 });
    assert_eq!(module(r#"(import "a" "b" (memory 1 1 shared))"#), Unsuspendable::SharedMemory { module: 1 });
    assert_eq!(module("(memory i64 1)"), Unsuspendable::Memory64 { module: 1 });
    assert_eq!(module(r#"(import "a" "b" (memory i64 1))"#), Unsuspendable::Memory64 { module: 1 });
}

#[test]
fn proposals_with_state_of_their_own() {
    let cases = [
        "(component (core module (type (struct (field (mut i32))))))",
        "(component (core module (memory 1 (pagesize 1))))",
        "(component (core func (canon backpressure.inc)))",
        "(component (core func (canon waitable-set.new)))",
        "(component (type (stream u8)))",
        r#"(component (import "f" (func $f async)) (core func (canon lower (func $f) async)))"#,
    ];
    for wat in cases {
        let error = refusal(wat);
        assert!(matches!(error, Unsuspendable::Proposal { .. }), "{wat}: {error:?}");
    }
}

#[test]
fn modules_out_of_reach() {
    let nested =
        ["(component (component (core module)))", "(component (component (component (core module))))"];
    for wat in nested {
        assert_eq!(refusal(wat), Unsuspendable::NestedModule);
    }
    let elsewhere = [
        r#"(component (import "m" (core module)))"#,
        r#"(component (component (import "m" (core module))))"#,
        r#"(component (core module $m) (export "m" (core module $m)))"#,
        "(component (core module $m) (component (alias outer 1 $m (core module))))",
        r#"(component (import "i" (instance $i (export "m" (core module)))) (alias export $i "m" (core module)))"#,
    ];
    for wat in elsewhere {
        let error = refusal(wat);
        let expected = matches!(error, Unsuspendable::ModuleImport | Unsuspendable::NestedInterface { .. });
        assert!(expected, "{wat}: {error:?}");
    }
}

#[test]
fn components_from_elsewhere() {
    assert_eq!(refusal(r#"(component (import "c" (component)))"#), Unsuspendable::ComponentImport);
    let nested = r#"(component (import "a:b/c" (instance (export "d" (instance)))))"#;
    assert_eq!(refusal(nested), Unsuspendable::NestedInterface { interface: "a:b/c".to_owned() });
    let alias = r#"(component
        (component $c (component $d) (export "d" (component $d)))
        (instance $i (instantiate $c))
        (alias export $i "d" (component)))"#;
    assert_eq!(refusal(alias), Unsuspendable::ComponentImport);
}

#[test]
fn resources_of_its_own() {
    let cases = [
        "(component (type (resource (rep i32))))",
        "(component (type $r (resource (rep i32))) (core func (canon resource.new $r)))",
        r#"(component (type $r (resource (rep i32))) (export "r" (type $r)))"#,
        "(component (component (type (resource (rep i32)))))",
    ];
    for wat in cases {
        assert_eq!(refusal(wat), Unsuspendable::ExportedResource, "{wat}");
    }
}

#[test]
fn several_instances_of_one_module() {
    for state in ["(memory 1)", "(global (mut i32) (i32.const 0))"] {
        let wat = format!(
            "(component (core module) (core module $m {state})
               (core instance (instantiate $m)) (core instance (instantiate $m)))"
        );
        assert_eq!(refusal(&wat), Unsuspendable::MultipleInstantiation { module: 1 });
    }
}

#[test]
fn names_that_are_added() {
    let cases = [
        r#"(component (core module (func (export "__openclaw_m0"))))"#,
        r#"(component (import "openclaw-restore-descriptor" (func)))"#,
        r#"(component (import "OPENCLAW-RESTORE-x" (func)))"#,
        r#"(component (import "openclaw:checkpoint/access" (instance)))"#,
        r#"(component (import "a" (instance $i)) (export "openclaw:checkpoint/access" (instance $i)))"#,
    ];
    for wat in cases {
        let error = refusal(wat);
        assert!(matches!(error, Unsuspendable::ReservedName { .. }), "{wat}: {error:?}");
    }
    let once = instrument(&wat::parse_str("(component)").unwrap()).unwrap();
    let twice = instrument(&once.component).unwrap_err();
    assert_eq!(twice, Unsuspendable::ReservedName { name: instrument::ACCESS.to_owned() });
}

#[test]
fn more_than_is_taken() {
    let limit = |wat: String| match refusal(&wat) {
        Unsuspendable::TooLarge { limit, .. } => limit,
        other => panic!("{other}"),
    };
    assert_eq!(limit(format!("(component {})", "(core module)".repeat(MAX_MODULES + 1))), MAX_MODULES);
    let instances = "(core instance (instantiate $m))".repeat(MAX_INSTANCES + 1);
    assert_eq!(limit(format!("(component (core module $m) {instances})")), MAX_INSTANCES);
    let one =
        |state: String| format!("(component (core module $m {state}) (core instance (instantiate $m)))");
    assert_eq!(limit(one("(memory 0)".repeat(MAX_MEMORIES + 1))), MAX_MEMORIES);
    assert_eq!(limit(one("(global (mut i32) (i32.const 0))".repeat(MAX_GLOBALS + 1))), MAX_GLOBALS);
    let vectors = "(global (mut v128) (v128.const i64x2 0 0))";
    assert_eq!(limit(one(vectors.repeat(MAX_GLOBALS / 2 + 1))), MAX_GLOBALS);
    let most = one("(global (mut i32) (i32.const 0))".repeat(MAX_GLOBALS));
    assert!(instrument(&wat::parse_str(most).unwrap()).is_ok());

    let mut large = wat::parse_str("(component)").unwrap();
    large.resize(MAX_COMPONENT_BYTES + 1, 0);
    let expected = Unsuspendable::TooLarge { what: "bytes", limit: MAX_COMPONENT_BYTES };
    assert_eq!(instrument(&large).unwrap_err(), expected);
}
