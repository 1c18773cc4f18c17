//! The components the tests begin with.

/// Each by its name.
pub(crate) const FIXTURES: [(&str, &str); 5] = [
    ("empty", include_str!("../fixtures/empty.wat")),
    ("state", include_str!("../fixtures/state.wat")),
    ("shared", include_str!("../fixtures/shared.wat")),
    ("resources", include_str!("../fixtures/resources.wat")),
    ("nested", include_str!("../fixtures/nested.wat")),
];

/// The bytes of the fixture of this name.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let (_, wat) = FIXTURES.iter().find(|(other, _)| *other == name).unwrap();
    wat::parse_str(wat).unwrap()
}
