//! The line that says what no agent says: that there is none in memory now.

use wire::access::Role;

/// Written over the last row of a terminal of this size; the cursor and its colours stay as they are.
pub(super) fn asleep(role: Role, cols: u16, rows: u16) -> Vec<u8> {
    let text = match role {
        Role::Operator => " suspended: press a key to wake ",
        Role::Viewer => " suspended ",
    };
    // One cell is left free: a terminal that wraps at once would scroll.
    let text: String = text.chars().take(usize::from(cols).saturating_sub(1)).collect();
    format!("\x1b7\x1b[{rows};1H\x1b[0;7m{text}\x1b[0m\x1b[K\x1b8").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(role: Role, cols: u16, expected: &str) {
        let line = String::from_utf8(asleep(role, cols, 24)).unwrap();
        assert_eq!(line, format!("\x1b7\x1b[24;1H\x1b[0;7m{expected}\x1b[0m\x1b[K\x1b8"));
    }

    #[test]
    fn it_says_what_a_key_does_and_fits() {
        check(Role::Operator, 80, " suspended: press a key to wake ");
        check(Role::Operator, 12, " suspended:");
        check(Role::Viewer, 80, " suspended ");
    }
}
