//! What the corpus cannot say: terminals, times, links, bounds.

use std::{
    fs,
    io::{Result as IoResult, Write as _},
    os::unix::fs::symlink,
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use crate::io::Sink;

/// A terminal that remembers what was written to it, piece by piece.
#[derive(Clone, Default)]
struct Terminal(Rc<RefCell<Vec<Vec<u8>>>>);

impl Sink for Terminal {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        self.0.borrow_mut().push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn is_terminal(&self) -> bool {
        true
    }
}

/// What a line shows on a terminal of some width.
fn on_terminal(fixture: &Fixture, line: &str, columns: u16) -> String {
    let terminal = Terminal::default();
    let mut call = fixture.call(&split(line), Reader::empty(), Writer::new(terminal.clone()), Writer::null());
    call.columns = Some(columns);
    block_on(finish(&call, &Rc::default()));
    String::from_utf8(terminal.0.borrow().concat()).unwrap()
}

fn set_modified(path: &Path, seconds: u64) {
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

#[test]
fn ls_puts_names_in_columns_and_colours_on_a_terminal() {
    let fixture = Fixture::new();
    let shown = on_terminal(&fixture, "ls", 30);
    let rows = [
        "a.txt    empty      text.txt",
        "b.txt    nonl.txt   utf8.txt",
        "csv.txt  num.txt",
        "\x1b[1;34mdir\x1b[0m      space.txt",
    ];
    assert_eq!(shown, rows.map(|row| format!("{row}\n")).concat());
    assert_eq!(on_terminal(&fixture, "ls -1 --color=never dir", 30), "one.txt\nsub\n");
    assert_eq!(on_terminal(&fixture, "ls -C dir", 5), "one.txt\n\x1b[1;34msub\x1b[0m\n");
}

#[test]
fn ls_long_shows_sizes_dates_and_links() {
    let fixture = Fixture::new();
    let file = |name: &str| fixture.0.path().join(name);
    set_modified(&file("a.txt"), 1_000_000_000);
    fs::write(file("big"), vec![0; 1536]).unwrap();
    set_modified(&file("big"), 1_000_000_060);
    symlink("a.txt", file("link")).unwrap();
    let (shown, errors, status) = fixture.run("ls -l a.txt big", b"");
    assert_eq!((errors.as_str(), status), ("", 0));
    let rows = [
        "-rw-r--r-- 1 agent agent   20 Sep  9  2001 a.txt\n",
        "-rw-r--r-- 1 agent agent 1536 Sep  9  2001 big\n",
    ];
    assert_eq!(shown, rows.concat());
    let (shown, ..) = fixture.run("ls -lh big", b"");
    assert_eq!(shown, "-rw-r--r-- 1 agent agent 1.5K Sep  9  2001 big\n");
    let (shown, ..) = fixture.run("ls -t a.txt big", b"");
    assert_eq!(shown, "big\na.txt\n");
    let (shown, ..) = fixture.run("ls -tr a.txt big", b"");
    assert_eq!(shown, "a.txt\nbig\n");
    let (shown, ..) = fixture.run("ls -l link", b"");
    assert!(
        shown.starts_with("lrwxrwxrwx 1 agent agent 5 ") && shown.ends_with(" link -> a.txt\n"),
        "{shown}"
    );
    let (shown, ..) = fixture.run("ls -F link dir/sub", b"");
    assert_eq!(shown, "link@\n\ndir/sub:\ntwo.log\n");
}

#[test]
fn grep_colours_what_matched_on_a_terminal() {
    let fixture = Fixture::new();
    let shown = on_terminal(&fixture, "grep -n an a.txt b.txt", 80);
    let row = |name: &str, number: u8| {
        format!(
            "\x1b[35m{name}\x1b[m\x1b[36m:\x1b[m\x1b[32m{number}\x1b[m\x1b[36m:\x1b[mb\x1b[1;31man\x1b[m\x1b[1;31man\x1b[ma\n"
        )
    };
    assert_eq!(shown, row("a.txt", 2) + &row("b.txt", 1));
    assert_eq!(on_terminal(&fixture, "grep --color=never an b.txt", 80), "banana\n");
}

#[test]
fn a_terminal_sees_each_line_before_the_next_is_read() {
    let fixture = Fixture::new();
    for line in [
        "cat",
        "cat -n",
        "grep --color=never .",
        "sed p",
        "tr a b",
        "cut -c1-",
        "head -n 5",
        "uniq -c",
        "tee",
    ] {
        let terminal = Terminal::default();
        let (input, typed) = pipe();
        let call = fixture.call(&split(line), input, Writer::new(terminal.clone()), Writer::null());
        let errors = Rc::default();
        let mut running = pin!(finish(&call, &errors));
        let mut cx = Context::from_waker(Waker::noop());
        block_on(typed.write_all("one\ntwo\n")).unwrap();
        for _ in 0..100 {
            assert!(running.as_mut().poll(&mut cx).is_pending(), "{line}");
        }
        let shown = String::from_utf8(terminal.0.borrow().concat()).unwrap();
        assert!(shown.contains("one\n"), "{line} shows {shown:?}");
    }
}

#[test]
fn touch_sets_times_and_find_sees_them() {
    let fixture = Fixture::new();
    let modified = |name: &str| fs::metadata(fixture.0.path().join(name)).unwrap().modified().unwrap();
    assert_eq!(
        fixture.run("touch -d 2001-02-03T04:05:06Z a.txt dir", b""),
        (String::new(), String::new(), 0)
    );
    assert_eq!(modified("a.txt"), UNIX_EPOCH + Duration::from_secs(981_173_106));
    assert_eq!(modified("dir"), modified("a.txt"));
    fixture.run("touch -r a.txt b.txt", b"");
    assert_eq!(modified("b.txt"), modified("a.txt"));
    fixture.run("touch -t 200102030405.07 csv.txt", b"");
    assert_eq!(modified("csv.txt"), modified("a.txt") + Duration::from_secs(1));
    assert_eq!(fixture.run("find . -newer a.txt -name '[abc]*'", b"").0, "./csv.txt\n");
    assert_eq!(fixture.run("find . -mtime +365 -name 'a*'", b"").0, "./a.txt\n");
    assert_eq!(fixture.run("find . -mmin -5 -name 'n*'", b"").0, "./nonl.txt\n./num.txt\n");
    assert_eq!(
        fixture.run("stat -c '%Y %y' a.txt", b"").0,
        "981173106 2001-02-03 04:05:06.000000000 +0000\n"
    );
    assert_eq!(fixture.run("date -r a.txt +%F", b"").0, "2001-02-03\n");
    fixture.run("cp -p a.txt copy", b"");
    assert_eq!(modified("copy"), modified("a.txt"));
    assert_eq!(fixture.run("cp -uv a.txt num.txt", b"").0, "");
    assert_eq!(fixture.run("diff -u a.txt a.txt", b"").0, "");
    let (shown, _, status) = fixture.run("diff -u a.txt b.txt", b"");
    let stamp = "2001-02-03 04:05:06.000000000 +0000";
    assert!(
        shown.starts_with(&format!("--- a.txt\t{stamp}\n+++ b.txt\t{stamp}\n@@ -1,3 +1,2 @@\n")),
        "{shown}"
    );
    assert_eq!(status, 1);
}

#[test]
fn links_are_not_followed_where_that_would_destroy() {
    let fixture = Fixture::new();
    let root = fixture.0.path();
    fs::create_dir(root.join("kept")).unwrap();
    fs::write(root.join("kept/file"), "x").unwrap();
    symlink("../kept", root.join("dir/link")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    assert_eq!(fixture.run("cp -r dir copy", b""), (String::new(), String::new(), 0));
    assert_eq!(fs::read_link(root.join("copy/link")).unwrap(), Path::new("../kept"));
    assert_eq!(fixture.run("grep -r x dir", b"").2, 1);
    assert_eq!(fixture.run("rm -r dir copy", b"").2, 0);
    assert!(root.join("kept/file").exists() && !root.join("dir").exists());
    assert_eq!(fixture.run("rm loop", b"").2, 0);
    symlink("kept", root.join("way")).unwrap();
    let real = root.canonicalize().unwrap();
    assert_eq!(fixture.run("realpath way/../b.txt", b"").0, format!("{}/b.txt\n", real.display()));
    assert_eq!(fixture.run("readlink -f way/file", b"").0, format!("{}/kept/file\n", real.display()));
    assert_eq!(fixture.run("readlink way", b"").0, "kept\n");
    assert_eq!(fixture.run("ln -sfn b.txt way", b"").2, 0);
    assert_eq!(fixture.run("readlink way", b"").0, "b.txt\n");
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    let (_, errors, status) = fixture.run("realpath a", b"");
    assert_eq!((errors.as_str(), status), ("realpath: a: Too many levels of symbolic links\n", 1));
}

#[test]
fn a_directory_is_not_copied_or_moved_into_itself() {
    let fixture = Fixture::new();
    let before = fixture.tree();
    let (_, errors, status) = fixture.run("cp -r dir dir/sub/new", b"");
    assert_eq!(
        (errors.as_str(), status),
        ("cp: cannot copy a directory, 'dir', into itself, 'dir/sub/new'\n", 1)
    );
    assert_eq!(fixture.run("mv dir dir/sub", b"").2, 1);
    assert_eq!(fixture.tree(), before);
}

#[test]
fn an_edit_in_place_that_fails_changes_nothing() {
    let fixture = Fixture::new();
    let before = fixture.tree();
    let (_, errors, status) = fixture.run("sed -i s//x/ a.txt", b"");
    assert_eq!((errors.as_str(), status), ("sed: no previous regular expression\n", 1));
    assert_eq!(fixture.tree(), before);
    let (_, errors, status) = fixture.run("sed -i s/a/b/ dir nope", b"");
    assert_eq!(status, 2);
    assert!(
        errors.contains("dir") && errors.contains("can't read nope: No such file or directory"),
        "{errors}"
    );
    assert_eq!(fixture.tree(), before);
}

#[test]
fn du_counts_content() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run("du -b dir", b"").0, "10\tdir/sub\n16\tdir\n");
    assert_eq!(fixture.run("du -sb dir a.txt", b"").0, "16\tdir\n20\ta.txt\n");
    assert_eq!(fixture.run("du -ab dir/sub", b"").0, "10\tdir/sub/two.log\n10\tdir/sub\n");
    assert_eq!(fixture.run("du -cb -d 0 dir dir/sub", b"").0, "16\tdir\n10\tdir/sub\n26\ttotal\n");
    assert_eq!(fixture.run("du -sh dir", b"").0, "16\tdir\n");
    assert_eq!(fixture.run("du nope", b"").2, 1);
}

#[test]
fn surroundings() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run("env", b"").0, "A=1\nB=two words\n");
    assert_eq!(fixture.run("env -u B C=3", b"").0, "A=1\nC=3\n");
    assert_eq!(fixture.run("env -i", b"").0, "");
    assert_eq!(fixture.run("env ls", b"").2, 125);
    assert_eq!(fixture.run("printenv B X", b""), ("two words\n".to_owned(), String::new(), 1));
    assert_eq!(fixture.run("whoami", b"").0, "agent\n");
    assert_eq!(fixture.run("id -u", b"").0, "1000\n");
    assert_eq!(fixture.run("uname -m", b"").0, "wasm32\n");
    assert_eq!(fixture.run("hostname", b"").0, "openclaw\n");
    assert_eq!(fixture.run("clear", b"").0, "\x1b[H\x1b[2J\x1b[3J");
    let (year, ..) = fixture.run("date +%Y", b"");
    assert!(year.trim().parse::<u32>().unwrap() >= 2025);
}

#[test]
fn special_files() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run("cat /dev/null - /dev/stdin", b"in\n").0, "in\n");
    assert_eq!(fixture.run("tee /dev/null", b"x\n"), ("x\n".to_owned(), String::new(), 0));
}

#[test]
fn sorting_more_than_one_run_keeps_order_and_equals() {
    let fixture = Fixture::new();
    // A multiplier coprime to the length visits every number once.
    let numbers: Vec<u32> = (0..20_000).map(|n| n * 7919 % 20_000).collect();
    let input: String = numbers.iter().map(|n| format!("{n}\n")).collect();
    let sorted: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    assert_eq!(fixture.run("sort -n", input.as_bytes()).0, sorted);
    let stable: String = (0..3)
        .flat_map(|k| numbers.iter().filter(move |n| *n % 3 == k))
        .map(|n| format!("{} {n}\n", n % 3))
        .collect();
    let input: String = numbers.iter().map(|n| format!("{} {n}\n", n % 3)).collect();
    assert_eq!(fixture.run("sort -s -k1,1", input.as_bytes()).0, stable);
}

#[test]
fn bounds_are_refusals() {
    let fixture = Fixture::new();
    let long = vec![b'x'; 5 * 1024 * 1024];
    for line in ["sed p", "grep x", "sort", "cut -c1", "uniq", "rev"] {
        let (_, errors, status) = fixture.run(line, &long);
        let name = split(line)[0].clone();
        assert_eq!((errors, status), (format!("{name}: line too long\n"), 2), "{line}");
    }
    let (_, errors, status) = fixture.run("grep -E '(((a{1000}){1000}){1000})' a.txt", b"");
    assert_eq!((errors.as_str(), status), ("grep: Regular expression too big\n", 2));
    let nested = format!("expr {} 1", "( ".repeat(200));
    assert_eq!(fixture.run(&nested, b"").2, 2);
    // It doubles with every round: it must end in a refusal.
    let (_, errors, status) = fixture.run("sed ':a;G;h;ba'", b"0123456789\n");
    assert!(errors.contains("16 MiB") && status == 2, "{errors}");
}

#[test]
fn deep_trees_are_walked_to_a_depth_and_no_further() {
    let fixture = Fixture::new();
    let mut path = fixture.0.path().join("deep");
    for _ in 0..300 {
        path.push("d");
    }
    fs::create_dir_all(&path).unwrap();
    let (shown, errors, status) = fixture.run("find deep -type d", b"");
    assert_eq!(shown.lines().count(), 256);
    assert!(errors.contains("nested too deeply") && status == 1, "{errors}");
    assert_eq!(fixture.run("rm -r deep", b"").2, 1);
}

#[test]
fn a_full_device_is_named() {
    let Ok(full) = fs::File::create("/dev/full") else { return };
    let fixture = Fixture::new();
    let (stderr, errors) = Writer::capture(CAPTURE);
    let call = fixture.call(&split("cat a.txt"), Reader::empty(), Writer::to_file(full), stderr);
    assert_eq!(block_on(finish(&call, &errors)), 1);
    assert_eq!(*errors.borrow(), b"cat: write error: No space left on device\n");
}

#[test]
fn dates_go_both_ways() {
    use crate::utils::time::{Civil, DAY, days_to};
    for days in (-800_000..800_000).step_by(37) {
        let civil = Civil::new(days * DAY + 3_661);
        assert_eq!(days_to(civil.year, i64::try_from(civil.month).unwrap(), civil.day), days);
        assert_eq!((civil.hour, civil.minute, civil.second), (1, 1, 1));
        assert!((1..=366).contains(&civil.day_of_year));
    }
}

#[test]
fn globs() {
    use crate::utils::glob::matches;
    let yes = [
        ("*", ""),
        ("a*c", "abbc"),
        ("[a-c]?", "bz"),
        ("[!a]", "b"),
        ("\\*", "*"),
        ("[]x]", "]"),
        ("*a*b*", "xaybz"),
        ("[[:digit:]]", "5"),
        ("[", "["),
    ];
    for (pattern, name) in yes {
        assert!(matches(pattern, name, false), "{pattern} {name}");
    }
    for (pattern, name) in [("", "a"), ("a", "A"), ("?", ""), ("[!a]", "a"), ("*.txt", "txt"), ("[a-c]", "d")]
    {
        assert!(!matches(pattern, name, false), "{pattern} {name}");
    }
    assert!(matches("A*", "abc", true));
    // Quadratic at worst, so this ends.
    assert!(!matches(&"*a".repeat(50), &"a".repeat(49).repeat(10).replace("aaaaaaaaaa", "b"), false));
}

#[test]
fn a_diff_of_large_texts_ends() {
    let fixture = Fixture::new();
    let mut file = fs::File::create(fixture.0.path().join("big")).unwrap();
    for n in 0..20_000 {
        writeln!(file, "{n}").unwrap();
    }
    let other: String = (0..20_000).filter(|n| n % 1000 != 7).map(|n| format!("{n}\n")).collect();
    let (shown, _, status) = fixture.run("diff big -", other.as_bytes());
    assert_eq!((shown.lines().count(), status), (40, 1));
    assert!(shown.starts_with("8d7\n< 7\n1008d1006\n< 1007\n"), "{}", &shown[..60]);
}
