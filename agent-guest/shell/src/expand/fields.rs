//! Fields as they grow: what may be split, and which characters are active in patterns.

use super::{MAX_EXPANSION_BYTES, MAX_FIELDS, Value};

/// A bound was broken.
#[derive(Debug)]
pub(super) struct TooMuch;

#[derive(Debug, Default, Clone)]
pub(super) struct Field {
    pub(super) text: String,
    /// Where characters are that mean something in a pattern, because they were not quoted.
    pub(super) magic: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Builder {
    done: Vec<Field>,
    current: Option<Field>,
    /// Absent: everything is one field.
    ifs: Option<String>,
    /// What `$*` is joined with.
    separator: String,
    /// A space of IFS ended the last field, so that one other separator still belongs to it.
    spaced: bool,
    bytes: usize,
    over: bool,
}

impl Builder {
    pub(super) fn splitting(ifs: String) -> Self {
        let separator = ifs.chars().next().map(String::from).unwrap_or_default();
        Self {
            done: Vec::new(),
            current: None,
            ifs: Some(ifs),
            separator,
            spaced: false,
            bytes: 0,
            over: false,
        }
    }

    pub(super) fn joining(ifs: String) -> Self {
        Self { ifs: None, ..Self::splitting(ifs) }
    }

    /// Text that is not split; its special characters are active or not.
    pub(super) fn push(&mut self, text: &str, active: bool) {
        self.bytes += text.len();
        if self.bytes > MAX_EXPANSION_BYTES {
            self.over = true;
            return;
        }
        self.spaced = false;
        let field = self.current.get_or_insert_default();
        let start = field.text.len();
        field.text.push_str(text);
        if active {
            let special = |b: u8| matches!(b, b'*' | b'?' | b'[' | b']' | b'\\' | b'-' | b'!' | b'^');
            field
                .magic
                .extend(text.bytes().enumerate().filter(|(_, b)| special(*b)).map(|(at, _)| start + at));
        }
    }

    fn end(&mut self) {
        if let Some(field) = self.current.take() {
            self.bytes += size_of::<Field>();
            self.over |= self.done.len() > MAX_FIELDS;
            if !self.over {
                self.done.push(field);
            }
        }
    }

    /// What an expansion gave.
    pub(super) fn value(&mut self, text: &str, quoted: bool) {
        if quoted { self.push(text, false) } else { self.split(text) }
    }

    /// Text that is split where the builder splits.
    pub(super) fn split(&mut self, text: &str) {
        let Some(ifs) = self.ifs.take() else { return self.push(text, true) };
        let mut rest = text;
        while let Some(at) = rest.find(|c| ifs.contains(c)) {
            if at > 0 {
                self.push(&rest[..at], true);
            }
            let separator = rest[at..].chars().next().unwrap_or(' ');
            rest = &rest[at + separator.len_utf8()..];
            if matches!(separator, ' ' | '\t' | '\n') {
                self.spaced |= self.current.is_some();
                self.end();
            } else if self.current.is_some() {
                self.end();
            } else if !std::mem::take(&mut self.spaced) {
                self.current = Some(Field::default());
                self.end();
            }
            if self.over {
                break;
            }
        }
        if !rest.is_empty() {
            self.push(rest, true);
        }
        self.ifs = Some(ifs);
    }

    /// A parameter's value: `"$@"` is as many fields as there are, and none when there are none.
    pub(super) fn parameter(&mut self, value: Value, quoted: bool) {
        match value {
            Value::One(text) => self.value(text.as_deref().unwrap_or_default(), quoted),
            Value::Many { all, star } => {
                let separator = if star { self.separator.clone() } else { " ".to_owned() };
                if self.ifs.is_none() || (quoted && star) {
                    return self.value(&all.join(&separator), quoted);
                }
                for (n, text) in all.iter().enumerate() {
                    if n > 0 {
                        self.end();
                    }
                    self.value(text, quoted);
                }
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<Vec<Field>, TooMuch> {
        self.end();
        if self.over { Err(TooMuch) } else { Ok(self.done) }
    }
}
