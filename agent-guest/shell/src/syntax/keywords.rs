//! Which keyword is out of place, when the grammar crate only says that something is: it goes one token
//! too far, and takes `fi` alone for the beginning of something longer.

use brush_parser::{Token, uncached_tokenize_str};

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    If,
    /// `while` and `for`, before their `do`.
    Head,
    Loop,
    Case,
    Brace,
    Bracket,
}

/// The first token that closes or continues what is not open.
pub(super) fn misplaced(source: &str) -> Option<String> {
    let tokens = uncached_tokenize_str(source, &super::parse::options().tokenizer_options()).ok()?;
    let mut open = Vec::new();
    let mut begins = true;
    for token in &tokens {
        let text = token.to_str();
        let fits = match token {
            Token::Operator(..) => {
                begins = !matches!(text.bytes().next(), Some(b'<' | b'>'));
                operator(text, &mut open)
            }
            Token::Word(..) if !begins => {
                // A pattern of `case`, or an argument; the words of `for` end with a separator.
                continue;
            }
            Token::Word(..) => {
                let fits = word(text, &mut open);
                begins = matches!(
                    text,
                    "if" | "then" | "elif" | "else" | "do" | "while" | "until" | "{" | "!" | "time"
                );
                fits
            }
        };
        if !fits {
            return Some(text.replace('\n', "newline"));
        }
    }
    None
}

fn operator(text: &str, open: &mut Vec<Open>) -> bool {
    match text {
        "(" => open.push(Open::Bracket),
        // It ends a pattern of `case`.
        ")" if open.last() == Some(&Open::Case) => {}
        ")" => return open.pop() == Some(Open::Bracket),
        ";;" | ";&" | ";;&" => return open.contains(&Open::Case) || open.contains(&Open::Bracket),
        _ => {}
    }
    true
}

fn word(text: &str, open: &mut Vec<Open>) -> bool {
    match text {
        "if" => open.push(Open::If),
        "while" | "until" | "for" => open.push(Open::Head),
        "case" => open.push(Open::Case),
        "{" => open.push(Open::Brace),
        "then" | "elif" | "else" => return open.last() == Some(&Open::If),
        "do" => {
            let fits = open.pop() == Some(Open::Head);
            open.push(Open::Loop);
            return fits;
        }
        "fi" => return open.pop() == Some(Open::If),
        "done" => return open.pop() == Some(Open::Loop),
        "esac" => return open.pop() == Some(Open::Case),
        "}" => return open.pop() == Some(Open::Brace),
        _ => {}
    }
    true
}
