//! The line editor, seen on a terminal: bytes in, screens out.

use std::num::NonZeroU16;
use std::time::Duration;

use agent::Size;
use agent::editor::{Action, Candidate, Completer, Completion, Editor, MAX_LINE, MAX_LISTED};
use agent::testing::FakeHost;

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN)
}

fn terminal(cols: u16, rows: u16) -> vt100::Parser {
    vt100::Parser::new(cells(rows), cells(cols), 0)
}

/// An editor wired to a terminal.
struct Session {
    editor: Editor,
    terminal: vt100::Parser,
    /// Bytes of the last step's output.
    output: Vec<u8>,
}

impl Session {
    fn sized(cols: u16, rows: u16, prompt: &str) -> Self {
        let mut editor = Editor::new(Size { cols, rows });
        let mut screen = terminal(cols, rows);
        screen.process(&editor.begin(prompt));
        Self { editor, terminal: screen, output: Vec::new() }
    }

    fn new() -> Self {
        Self::sized(20, 6, "$ ")
    }

    fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Option<Action> {
        self.feed_with(bytes, &())
    }

    fn feed_with(&mut self, bytes: impl AsRef<[u8]>, completer: &dyn Completer) -> Option<Action> {
        let bytes = bytes.as_ref();
        let step = self.editor.feed(bytes, completer);
        self.terminal.process(&step.output);
        self.output = step.output;
        assert!(step.action.is_some() || step.consumed == bytes.len());
        step.action
    }

    fn enter(&mut self, line: &str) {
        assert!(matches!(self.feed(format!("{line}\r")), Some(Action::Line(_))));
        self.editor.history_mut().push(line);
        self.begin();
    }

    fn begin(&mut self) {
        let drawn = self.editor.begin("$ ");
        self.terminal.process(&drawn);
    }

    fn rows(&self) -> Vec<String> {
        let cols = self.terminal.screen().size().1.get();
        let mut rows: Vec<String> =
            self.terminal.screen().rows(0, cols).map(|row| row.trim_end().to_owned()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    #[track_caller]
    fn shows(&self, rows: &[&str], cursor: (u16, u16)) {
        assert_eq!(self.rows(), rows);
        assert_eq!(self.terminal.screen().cursor_position(), cursor, "cursor of {rows:?}");
    }

    /// After every step the screen must equal one drawn from nothing.
    #[track_caller]
    fn consistent(&mut self) {
        let (seen, cursor) = (self.rows(), self.terminal.screen().cursor_position());
        let (rows, cols) = self.terminal.screen().size();
        let mut fresh = terminal(cols.get(), rows.get());
        let _ = self.editor.erase();
        fresh.process(&self.editor.redraw());
        self.terminal = fresh;
        assert_eq!(
            (self.rows(), self.terminal.screen().cursor_position()),
            (seen, cursor),
            "{:?}",
            self.editor.line()
        );
    }
}

#[test]
fn typing_echoes_only_what_is_typed() {
    let mut session = Session::new();
    session.feed("a");
    assert_eq!(session.output, b"a");
    session.feed("é漢🙂");
    assert_eq!(session.output, "é漢🙂".as_bytes());
    session.shows(&["$ aé漢🙂"], (0, 8));
    session.feed("\x7f");
    assert_eq!(session.output, b"\x08\x08\x1b[J");
    assert_eq!(session.feed("\r"), Some(Action::Line("aé漢".to_owned())));
    session.shows(&["$ aé漢"], (1, 0));
}

#[test]
fn characters_split_across_events_arrive_whole() {
    let mut session = Session::new();
    for byte in "ü漢".bytes() {
        session.feed([byte]);
    }
    assert_eq!(session.editor.line(), "ü漢");
    for byte in *b"\x1b[D\x1b[1;5Dx" {
        session.feed([byte]);
    }
    assert_eq!(session.editor.line(), "xü漢");
}

#[test]
fn moving_and_editing_in_the_middle() {
    let mut session = Session::new();
    session.feed("hello world");
    session.feed("\x01");
    session.shows(&["$ hello world"], (0, 2));
    session.feed("\x06\x1b[C\x1bf");
    session.shows(&["$ hello world"], (0, 7));
    session.feed("!");
    session.shows(&["$ hello! world"], (0, 8));
    session.feed("\x1bb\x1b[3~J\x04");
    session.shows(&["$ Jllo! world"], (0, 3));
    session.feed("\x05\x02\x1b[D\x08");
    session.shows(&["$ Jllo! wold"], (0, 10));
    session.feed("\x1b[H\x1b[D");
    session.shows(&["$ Jllo! wold"], (0, 2));
    session.feed("\x1b[F\x1b[C");
    session.shows(&["$ Jllo! wold"], (0, 12));
}

#[test]
fn killing_and_yanking() {
    let mut session = Session::new();
    session.feed("one two-three four");
    session.feed("\x17");
    session.shows(&["$ one two-three"], (0, 16));
    session.feed("\x17\x19");
    assert_eq!(session.editor.line(), "one two-three four", "kills in a row add up");
    session.feed("\x1b\x7f\x01\x1bd\x0b");
    assert_eq!(session.editor.line(), "");
    session.feed("\x19");
    assert_eq!(session.editor.line(), "one two-three ");
    session.feed("\x1bb\x15");
    assert_eq!(session.editor.line(), "three ");
    session.feed("\x05\x19");
    assert_eq!(session.editor.line(), "three one two-");
    session.feed("\x15ab\x14\x02\x06");
    assert_eq!(session.editor.line(), "ba", "at the end: the last two");
    session.feed("\x02\x14");
    assert_eq!(session.editor.line(), "ab");
    session.feed("\x01\x14");
    assert_eq!((session.editor.line(), session.output.contains(&7)), ("ab", true));
}

#[test]
fn combining_marks_stay_with_their_letter() {
    let mut session = Session::new();
    session.feed("ae");
    session.feed("\u{301}");
    session.shows(&["$ ae\u{301}"], (0, 4));
    session.feed("\x1b[Dx");
    assert_eq!(session.editor.line(), "axe\u{301}");
    session.shows(&["$ axe\u{301}"], (0, 4));
    session.feed("\x04");
    session.shows(&["$ ax"], (0, 4));
}

#[test]
fn lines_wrap_and_redraw_across_rows() {
    let mut session = Session::sized(10, 6, "$ ");
    session.feed("12345678");
    session.shows(&["$ 12345678"], (1, 0));
    session.feed("9abc");
    session.shows(&["$ 12345678", "9abc"], (1, 4));
    session.feed("\x01");
    session.shows(&["$ 12345678", "9abc"], (0, 2));
    session.feed("xyz");
    session.shows(&["$ xyz12345", "6789abc"], (0, 5));
    session.feed("\x05\x7f\x7f\x7f\x7f\x7f\x7f\x7f");
    session.shows(&["$ xyz12345"], (1, 0));
    session.feed("\x7f");
    session.shows(&["$ xyz1234"], (0, 9));
    session.feed("\x15");
    session.shows(&["$"], (0, 2));
    assert!(session.output.len() < 12, "{:?}", session.output);
}

#[test]
fn wide_characters_are_not_split_at_the_edge() {
    let mut session = Session::sized(10, 6, "$ ");
    session.feed("1234567漢字");
    session.shows(&["$ 1234567", "漢字"], (1, 4));
    session.feed("\x01x");
    session.shows(&["$ x1234567", "漢字"], (0, 3));
    session.feed("\x04\x04");
    session.shows(&["$ x34567漢", "字"], (0, 3));
    session.consistent();
}

#[test]
fn a_line_at_the_bottom_scrolls_the_screen() {
    let mut session = Session::sized(10, 3, "$ ");
    session.enter("one");
    session.enter("two");
    session.feed("12345678901");
    session.shows(&["$ two", "$ 12345678", "901"], (2, 3));
    session.feed("\x01>");
    session.shows(&["$ two", "$ >1234567", "8901"], (1, 3));
}

#[test]
fn a_line_taller_than_the_screen_shows_the_rows_around_the_cursor() {
    let mut session = Session::sized(10, 4, "$ ");
    session.feed("12345678aaaaaaaaaabbbbbbbbbbccccccccccdd");
    session.shows(&["bbbbbbbbbb", "cccccccccc", "dd"], (2, 2));
    session.feed("\x01");
    session.shows(&["$ 12345678", "aaaaaaaaaa", "bbbbbbbbbb"], (0, 2));
    session.feed("X");
    session.shows(&["$ X1234567", "8aaaaaaaaa", "abbbbbbbbb"], (0, 3));
    session.feed("\x05");
    session.shows(&["abbbbbbbbb", "bccccccccc", "cdd"], (2, 3));
    session.feed("\x15ok");
    session.shows(&["$ ok"], (0, 4));
}

#[test]
fn control_c_abandons_and_control_d_ends() {
    let mut session = Session::new();
    session.feed("abc\x02");
    assert_eq!(session.feed("\x03"), Some(Action::Interrupt));
    session.shows(&["$ abc^C"], (1, 0));
    assert_eq!(session.editor.line(), "");
    session.begin();
    session.feed("x\x04\x01\x04");
    session.shows(&["$ abc^C", "$"], (1, 2));
    assert_eq!(session.feed("\x04"), Some(Action::Eof));
    session.shows(&["$ abc^C", "$"], (2, 0));
}

#[test]
fn control_l_clears_and_keeps_the_line() {
    let mut session = Session::new();
    session.enter("one");
    session.feed("two\x02\x0c");
    session.shows(&["$ two"], (0, 4));
}

#[test]
fn bytes_after_the_line_are_left_to_the_next_reader() {
    let mut session = Session::new();
    let step = session.editor.feed(b"a\r\nb\r", &());
    assert_eq!((step.consumed, step.action), (3, Some(Action::Line("a".to_owned()))));
    assert_eq!(session.editor.feed(b"x", &()).consumed, 0, "no line is edited now");
    session.editor.begin("$ ");
    assert!(session.editor.feed(b"\r", &()).action.is_some());
    session.editor.begin("$ ");
    let step = session.editor.feed(b"\nb\r", &());
    assert_eq!(step.action, Some(Action::Line("b".to_owned())), "the line feed belonged to the return");
}

#[test]
fn history_is_walked_and_the_draft_kept() {
    let mut session = Session::new();
    session.enter("one");
    session.enter("two");
    session.feed("dra");
    session.feed("\x1b[A");
    assert_eq!(session.editor.line(), "two");
    session.feed("\x10");
    assert_eq!(session.editor.line(), "one");
    session.feed("\x10");
    assert_eq!((session.editor.line(), session.output.as_slice()), ("one", b"\x07".as_slice()));
    session.feed("\x0e\x1b[B");
    assert_eq!(session.editor.line(), "dra");
    session.feed("\x0e");
    assert_eq!((session.editor.line(), session.output.as_slice()), ("dra", b"\x07".as_slice()));
    session.shows(&["$ one", "$ two", "$ dra"], (2, 5));
}

#[test]
fn searching_the_history() {
    let mut session = Session::sized(50, 6, "$ ");
    for line in ["make test", "ls", "make all", "cat x"] {
        session.enter(line);
    }
    session.feed("draft\x12ma");
    assert_eq!(session.rows().last().unwrap(), "(reverse-i-search)`ma': make all");
    session.feed("\x12");
    assert_eq!(session.rows().last().unwrap(), "(reverse-i-search)`ma': make test");
    session.feed("\x12");
    assert_eq!(session.rows().last().unwrap(), "(failed reverse-i-search)`ma': make test");
    session.feed("\x07");
    assert_eq!(session.rows().last().unwrap(), "$ draft");
    session.feed("\x12te\x7f");
    assert_eq!(session.rows().last().unwrap(), "(reverse-i-search)`t': cat x");
    session.feed("\x05");
    assert_eq!(session.rows().last().unwrap(), "$ cat x");
    session.feed("\x12all");
    assert_eq!(session.feed("\r"), Some(Action::Line("make all".to_owned())));
    assert_eq!(session.rows().last().unwrap(), "$ make all");
}

/// Completes the last word from a list of names.
struct Names(Vec<&'static str>);

impl Completer for Names {
    fn complete(&self, line: &str, cursor: usize) -> Completion {
        let start = line[..cursor].rfind(' ').map_or(0, |space| space + 1);
        let word = &line[start..cursor];
        let names = self.0.iter().filter(|name| name.starts_with(word));
        let candidates = names
            .map(|name| match name.ends_with('/') {
                true => Candidate::new(*name).open(),
                false => Candidate::new(*name),
            })
            .collect();
        Completion { start, candidates }
    }

    fn incomplete(&self, line: &str) -> bool {
        line.ends_with('\\')
    }
}

#[test]
fn tab_completes_and_then_lists() {
    let names = Names(vec!["main.rs", "make.sh", "notes/", "größe", "gründe"]);
    let mut session = Session::new();
    session.feed_with("cat m\t", &names);
    session.shows(&["$ cat ma"], (0, 8));
    session.feed_with("\t", &names);
    session.shows(&["$ cat ma", "main.rs  make.sh", "$ cat ma"], (2, 8));
    session.feed_with("i\t", &names);
    assert_eq!(session.editor.line(), "cat main.rs ");
    session.feed_with("no\tx\t", &names);
    assert_eq!(session.editor.line(), "cat main.rs notes/x");
    assert!(session.output.contains(&7), "nothing to complete rings");
    session.feed_with("\x15gr\t", &names);
    assert_eq!(session.editor.line(), "gr");
}

#[test]
fn completion_in_the_middle_keeps_the_rest() {
    let mut session = Session::new();
    session.feed_with("cat m | wc\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\t", &Names(vec!["main.rs"]));
    assert_eq!(session.editor.line(), "cat main.rs  | wc");
    session.consistent();
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let many: Vec<&'static str> = (0..MAX_LISTED + 9).map(|_| "same").collect();
    let mut session = Session::sized(20, 6, "$ ");
    session.feed_with("same\t\t", &Names(many));
    assert!(session.rows().iter().any(|row| row.ends_with("and 9 more")), "{:?}", session.rows());
}

#[test]
fn an_incomplete_line_goes_on_in_another_row() {
    let names = Names(vec![]);
    let mut session = Session::new();
    assert_eq!(session.feed_with("echo \\\r", &names), None);
    session.shows(&["$ echo \\", ">"], (1, 2));
    session.feed_with("hi", &names);
    session.feed_with("\x1b[A\x1b[D", &names);
    session.shows(&["$ echo \\", "> hi"], (0, 3));
    session.feed_with("!\x0e", &names);
    session.shows(&["$ e!cho \\", "> hi"], (1, 4));
    assert_eq!(session.feed_with("\r", &names), Some(Action::Line("e!cho \\\nhi".to_owned())));
    session.shows(&["$ e!cho \\", "> hi"], (2, 0));
}

#[test]
fn killing_the_end_of_a_row_joins_rows() {
    let mut session = Session::new();
    session.feed("\x1b[200~a\nb\x1b[201~\x1b[A\x05");
    session.shows(&["$ a", "> b"], (0, 3));
    session.feed("\x0b");
    session.shows(&["$ ab"], (0, 3));
}

#[test]
fn a_paste_is_one_edit_of_many_rows() {
    let mut session = Session::new();
    assert_eq!(session.feed("\x1b[200~for x; do\r\n\techo\x03\ndone\n\x1b[201~"), None);
    assert_eq!(session.editor.line(), "for x; do\n\techo\ndone\n");
    session.shows(&["$ for x; do", ">     echo", "> done", ">"], (3, 2));
    assert_eq!(session.feed("\r"), Some(Action::Line("for x; do\n\techo\ndone\n".to_owned())));
}

#[test]
fn control_c_leaves_a_paste_whose_end_got_lost() {
    let mut session = Session::new();
    assert_eq!(session.feed("\x1b[200~rm x\x03\r"), None, "pasted, so it presses nothing");
    assert_eq!(session.feed("\x03"), Some(Action::Interrupt));
    session.begin();
    assert_eq!(session.feed("ok\r"), Some(Action::Line("ok".to_owned())));
}

#[test]
fn a_huge_paste_is_bounded_and_quick() {
    let mut session = Session::sized(80, 24, "$ ");
    session.feed("tail\x01");
    let mut paste = b"\x1b[200~".to_vec();
    paste.extend(std::iter::repeat_n("é".as_bytes(), MAX_LINE).flatten());
    session.feed(&paste);
    assert_eq!(session.editor.line().len(), MAX_LINE);
    assert!(session.editor.line().ends_with("tail"));
    assert!(session.output.len() < 80 * 24 * 4, "only what the screen holds: {}", session.output.len());
    session.feed("\x1b[201~x");
    assert!(session.output.starts_with(b"\x07"));
}

#[test]
fn a_coloured_prompt_of_two_rows_takes_no_room_for_its_colours() {
    let mut session = Session::sized(20, 6, "\x1b[1;34m/work\x1b[0m\n\x1b[32m$\x1b[0m ");
    session.feed("abc\x01x");
    session.shows(&["/work", "$ xabc"], (1, 3));
    assert!(!session.output.contains(&b'm'), "the prompt is not drawn again");
    assert_eq!(session.terminal.screen().cell(1, 2).unwrap().fgcolor(), vt100::Color::Default);
}

#[test]
fn a_new_size_redraws_at_the_new_width() {
    let mut session = Session::sized(10, 6, "$ ");
    session.feed("12345678abcd");
    for (cols, rows) in [(20, 6), (7, 6), (12, 4)] {
        session.terminal.screen_mut().set_size(cells(rows), cells(cols));
        let drawn = session.editor.resize(Size { cols, rows });
        session.terminal.process(&drawn);
        let text = session.rows().concat();
        assert_eq!(text, "$ 12345678abcd", "{cols}");
        session.consistent();
    }
}

#[test]
fn output_can_go_above_the_line() {
    let mut session = Session::new();
    session.feed("typed\x02");
    let mut bytes = session.editor.erase();
    bytes.extend(b"[1] done\r\n");
    bytes.extend(session.editor.redraw());
    session.terminal.process(&bytes);
    session.shows(&["[1] done", "$ typed"], (1, 6));
}

#[test]
fn random_keys_leave_the_screen_as_drawn_from_nothing() {
    let keys: Vec<&[u8]> = vec![
        b"a",
        b"bc ",
        "漢".as_bytes(),
        "e\u{301}".as_bytes(),
        "🙂".as_bytes(),
        b"\x01",
        b"\x05",
        b"\x02",
        b"\x06",
        b"\x08",
        b"\x04x",
        b"\x17",
        b"\x19",
        b"\x14",
        b"\x1bb",
        b"\x1bf",
        b"\x1bd",
        b"\x1b[200~p\nq\x1b[201~",
        b"\x1b[A",
        b"\x1b[B",
        b"\x0b",
        b"0123456789",
        "\u{302}".as_bytes(),
    ];
    // A fixed xorshift: the same keys in every run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for cols in [4, 7, 10, 31] {
        let mut session = Session::sized(cols, 8, "$ ");
        for _ in 0..400 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let key = keys[usize::try_from(seed % keys.len() as u64).unwrap()];
            session.feed(key);
            session.consistent();
        }
    }
}

#[test]
fn read_line_works_on_the_agents_terminal() {
    let mut host = FakeHost::new();
    host.start(|start| async move {
        let mut editor = Editor::new(start.size);
        while let Action::Line(line) = editor.read_line("? ", &()).await? {
            agent::sleep(Duration::from_secs(1)).await?;
            agent::println!("<{line}>");
        }
        Ok::<(), agent::Error>(())
    });
    host.input("on");
    host.resize(40, 10);
    host.input("e\rtwo\r\x04");
    host.settle();
    let mut screen = terminal(40, 10);
    screen.process(&host.output());
    assert_eq!(screen.screen().contents(), "? one\n<one>\n? two\n<two>\n? ");
    assert!(host.faults().is_empty());
}
