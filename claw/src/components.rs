//! The agents this binary brings along.

use std::borrow::Cow;

use host::ImageSource;

/// Name, description, component.
const EMBEDDED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// Every embedded agent; none when they were not built before this binary.
pub(crate) fn embedded() -> Vec<ImageSource> {
    let image = |&(name, description, bytes): &(&str, &str, &'static [u8])| ImageSource {
        name: name.to_owned(),
        description: description.to_owned(),
        bytes: Cow::Borrowed(bytes),
    };
    EMBEDDED.iter().map(image).collect()
}
