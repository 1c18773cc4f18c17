//! Shell patterns against names: `*`, `?`, `[a-z]`, `[!x]`, backslash.

/// Whether `pattern` matches all of `name`. In linear space, and quadratic time at worst.
pub(crate) fn matches(pattern: &str, name: &str, ignore_case: bool) -> bool {
    let fold = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
    let pattern: Vec<char> = fold(pattern).chars().collect();
    let name: Vec<char> = fold(name).chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go back to: after the last star, with one more character given to it.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(next) = one(&pattern, p, name[n]) {
            p = next;
            n += 1;
        } else if let Some((after, taken)) = star {
            star = Some((after, taken + 1));
            (p, n) = (after, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Where the pattern goes on after it matched `c` at `p`.
fn one(pattern: &[char], p: usize, c: char) -> Option<usize> {
    match pattern.get(p)? {
        '?' => Some(p + 1),
        '[' => set(pattern, p, c).unwrap_or_else(|| (c == '[').then_some(p + 1)),
        '\\' if p + 1 < pattern.len() => (pattern[p + 1] == c).then_some(p + 2),
        other => (*other == c).then_some(p + 1),
    }
}

/// A bracket expression at `p`; `None` if it has no end and so is none.
fn set(pattern: &[char], p: usize, c: char) -> Option<Option<usize>> {
    let mut at = p + 1;
    let negated = matches!(pattern.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let member = *pattern.get(at)?;
        if member == ']' && at > first {
            return Some((found != negated).then_some(at + 1));
        }
        if member == '['
            && pattern.get(at + 1) == Some(&':')
            && let Some(length) = pattern[at + 2..].windows(2).position(|pair| pair == [':', ']'])
        {
            let name: String = pattern[at + 2..at + 2 + length].iter().collect();
            found |= class(&name, c);
            at += length + 4;
        } else if pattern.get(at + 1) == Some(&'-') && pattern.get(at + 2).is_some_and(|end| *end != ']') {
            found |= (member..=pattern[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= member == c;
            at += 1;
        }
    }
}

fn class(name: &str, c: char) -> bool {
    match name {
        "alpha" => c.is_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_alphanumeric(),
        "upper" => c.is_uppercase(),
        "lower" => c.is_lowercase(),
        "space" => c.is_whitespace(),
        "punct" => c.is_ascii_punctuation(),
        "xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}
