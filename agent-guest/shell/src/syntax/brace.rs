//! Brace expansion, on a word's text before anything else: `a{b,c}`, `{1..9..2}`, `{a..e}`.

/// Most words one word may become.
pub(crate) const MAX_WORDS: usize = 100_000;

/// The words a word becomes; itself when it has no braces to expand.
///
/// # Errors
/// It would become more than [`MAX_WORDS`].
pub(crate) fn expand(word: &str) -> Result<Vec<String>, String> {
    let mut done = Vec::new();
    let mut left = vec![(String::new(), word.to_owned())];
    // Depth first, so that the order is that of the text: `{a,b}{1,2}` is a1 a2 b1 b2.
    while let Some((before, rest)) = left.pop() {
        if done.len() + left.len() > MAX_WORDS {
            return Err(format!("brace expansion over {MAX_WORDS} words"));
        }
        match find(&rest) {
            None => done.push(before + &rest),
            Some((start, end, parts)) => {
                let before = before + &rest[..start];
                let after = &rest[end..];
                for part in parts.into_iter().rev() {
                    left.push((before.clone(), part + after));
                }
            }
        }
    }
    Ok(done)
}

/// The first brace expression: where it begins and ends, and its alternatives.
fn find(text: &str) -> Option<(usize, usize, Vec<String>)> {
    let mut at = 0;
    while at < text.len() {
        let skipped = skip(text, at);
        if skipped > at {
            at = skipped;
        } else if text[at..].starts_with('{')
            && let Some((end, parts)) = alternatives(text, at)
        {
            return Some((at, end, parts));
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// The end of what is quoted or expanded at `at`; `at` itself when nothing is.
fn skip(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let step = |n: usize| at + n + text[at + n..].chars().next().map_or(0, char::len_utf8);
    match rest.as_bytes() {
        [b'\\', ..] => step(1),
        [b'\'', ..] => rest[1..].find('\'').map_or(text.len(), |n| at + n + 2),
        [b'"', ..] => {
            let mut inner = at + 1;
            while inner < text.len() {
                match text.as_bytes()[inner] {
                    b'\\' => inner = (inner + 2).min(text.len()),
                    b'"' => return inner + 1,
                    _ => inner += 1,
                }
            }
            text.len()
        }
        [b'`', ..] => rest[1..].find('`').map_or(text.len(), |n| at + n + 2),
        [b'$', open @ (b'{' | b'('), ..] => {
            let close = if *open == b'{' { b'}' } else { b')' };
            let mut depth = 0;
            for (n, byte) in rest.bytes().enumerate().skip(1) {
                if byte == *open {
                    depth += 1;
                } else if byte == close {
                    depth -= 1;
                    if depth == 0 {
                        return at + n + 1;
                    }
                }
            }
            text.len()
        }
        _ => at,
    }
}

/// `{..}` at `at`: its end and alternatives, if it is an expression.
fn alternatives(text: &str, at: usize) -> Option<(usize, Vec<String>)> {
    let mut parts = Vec::new();
    let mut part = at + 1;
    let mut depth = 1;
    let mut here = at + 1;
    while here < text.len() {
        let skipped = skip(text, here);
        if skipped > here {
            here = skipped;
            continue;
        }
        match text.as_bytes()[here] {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                parts.push(text[part..here].to_owned());
                part = here + 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    if parts.is_empty() {
                        return Some((here + 1, sequence(&text[part..here])?));
                    }
                    parts.push(text[part..here].to_owned());
                    return Some((here + 1, parts));
                }
            }
            _ => {}
        }
        here += text[here..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// `1..5`, `05..1`, `a..e..2`.
fn sequence(text: &str) -> Option<Vec<String>> {
    let mut parts = text.split("..");
    let (first, last, step) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let step = step.map_or(Some(1), |text| text.parse::<i64>().ok())?.unsigned_abs().max(1);
    let single = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
    };
    if let (Some(first), Some(last)) = (single(first), single(last)) {
        let numbers = range(i64::from(u32::from(first)), i64::from(u32::from(last)), step);
        return Some(
            numbers.filter_map(|n| char::from_u32(u32::try_from(n).ok()?)).map(String::from).collect(),
        );
    }
    let padded =
        |text: &str| text.trim_start_matches('-').starts_with('0') && text.trim_start_matches('-').len() > 1;
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    let numbers = range(first.parse().ok()?, last.parse().ok()?, step);
    Some(numbers.map(|n| format!("{n:0width$}")).collect())
}

/// One more than the bound is enough to see that it is broken.
fn range(first: i64, last: i64, step: u64) -> impl Iterator<Item = i64> {
    let mut next = Some(first);
    let step = i64::try_from(step).unwrap_or(i64::MAX);
    std::iter::from_fn(move || {
        let n = next?;
        next = if first <= last {
            n.checked_add(step).filter(|n| *n <= last)
        } else {
            n.checked_sub(step).filter(|n| *n >= last)
        };
        Some(n)
    })
    .take(MAX_WORDS + 1)
}
