//! How much a reader believes. A checkpoint comes from a store that others can write to, so every count and every
//! length in it has a bound here, and is held against it before anything of that size is made.

use std::{cell::Cell, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

/// A manifest's body, unpacked.
pub const MAX_MANIFEST_BODY_BYTES: usize = 64 << 20;
/// A tree's body, unpacked.
pub const MAX_TREE_BODY_BYTES: usize = 128 << 20;
/// What all lists of one manifest or tree may take in memory, beside the bytes of its body.
pub const MAX_LISTS_BYTES: usize = 512 << 20;
/// Packs that one checkpoint refers to.
pub const MAX_PACKS: usize = 65_536;
/// Linear memories of a component.
pub const MAX_MEMORIES: usize = 2;
/// Wasm pages of one memory: 1 GiB, the most an agent can be given.
pub const MAX_WASM_PAGES: u32 = 16_384;
/// Mutable globals of a component.
pub const MAX_GLOBALS: usize = 65_536;
/// Live handles, and the number of the last one.
pub const MAX_HANDLES: usize = 1024;
/// Open files.
pub const MAX_OPEN_FILES: usize = 1024;
/// Names that one directory stream has still to list.
pub const MAX_LISTED: usize = 65_536;
/// Operations in flight.
pub const MAX_PENDING: usize = 1024;
/// Events that wait.
pub const MAX_EVENTS: usize = 16_384;
/// Headers of one request or answer.
pub const MAX_HEADERS: usize = 1024;
/// Input sessions.
pub const MAX_SESSIONS: usize = wire::terminal::MAX_INPUT_SESSIONS;
/// Names of input sessions that are refused.
pub const MAX_EVICTED: usize = 256;
/// Bytes that draw a screen: 8 MiB, and a sequence that was begun.
pub const MAX_SCREEN_BYTES: usize = (8 << 20) + 4096;
/// Bytes of a terminal's or log's tail: 256 KiB, and what the oldest segment has more.
pub const MAX_TAIL_BYTES: u64 = 256 * 1024 + crate::manifest::SEGMENT_BYTES;
/// The body of a message, a request or an answer, or another text an agent chose.
pub const MAX_BLOB_BYTES: usize = 16 << 20;
/// A name, a header's name, a content type.
pub const MAX_NAME_BYTES: usize = 4096;
/// A URL or a line that was begun.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// A path below `/work`, and the target of a link.
pub const MAX_PATH_BYTES: usize = 4096;
/// One part of a path.
pub const MAX_PART_BYTES: usize = 255;
/// Entries of `/work`.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of one file, holes included: 1 TiB.
pub const MAX_FILE_BYTES: u64 = 1 << 40;

/// What an element of any list counts at least: about what a named chunk takes.
const ELEMENT_BYTES: usize = 96;

thread_local! {
    /// What is left of [`MAX_LISTS_BYTES`] while a body is read; `None` outside. A serde derive hands no state
    /// to its fields, and reading is done in one go on one thread.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    /// A list did not fit.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read` with a budget of [`MAX_LISTS_BYTES`] for its lists; with its answer, whether one was refused.
pub(crate) fn budgeted<T>(read: impl FnOnce() -> T) -> (T, bool) {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            LEFT.set(None);
        }
    }
    LEFT.set(Some(MAX_LISTS_BYTES));
    REFUSED.set(false);
    let _reset = Reset;
    let value = read();
    (value, REFUSED.get())
}

/// Takes one element from the budget.
fn charge(bytes: usize) -> bool {
    match LEFT.get() {
        None => true,
        Some(left) => {
            LEFT.set(Some(left.saturating_sub(bytes)));
            left >= bytes
        }
    }
}

/// A list of at most `MAX` elements, read element by element: nothing is reserved because of a count.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let refuse = || {
                REFUSED.set(true);
                A::Error::custom("a list is too long")
            };
            if seq.size_hint().is_some_and(|count| count > MAX) {
                return Err(refuse());
            }
            let mut list = Vec::new();
            while let Some(element) = seq.next_element()? {
                if list.len() == MAX || !charge(size_of::<T>().max(ELEMENT_BYTES)) {
                    return Err(refuse());
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}
