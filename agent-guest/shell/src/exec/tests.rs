//! Scripts and what they print: by hand here, recorded from bash in `tests/corpus`.

use std::{fs, path::Path};

use crate::testing::{out, run, run_in};

/// Every `tests/corpus/NAME.sh` prints `NAME.out`, recorded from bash by `tests/corpus/record`.
#[test]
fn corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut failed = Vec::new();
    let mut count = 0;
    let mut names: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|ext| ext == "sh")) {
        count += 1;
        let script = fs::read_to_string(path).unwrap();
        let expected = fs::read_to_string(path.with_extension("out")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ran = run_in(directory.path(), &script, b"");
        let got = format!("{}status {}\n", ran.out, ran.status);
        if got != expected {
            let line = expected.lines().zip(got.lines()).position(|(want, got)| want != got);
            let at = line.unwrap_or_else(|| expected.lines().count().min(got.lines().count()));
            failed.push(format!(
                "{}:\n  line {}: expected {:?}\n           got      {:?}\n  stderr: {}",
                path.file_stem().unwrap().to_string_lossy(),
                at + 1,
                expected.lines().nth(at),
                got.lines().nth(at),
                ran.err
            ));
        }
    }
    assert!(count > 10, "the corpus is there");
    assert!(failed.is_empty(), "{} of {count} differ\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn pipelines_end_with_their_reader() {
    assert_eq!(out("while :; do echo y; done | head -1"), "y\n");
    assert_eq!(run("set -o pipefail; while :; do echo y; done | head -1").status, 141);
}

#[test]
fn ten_megabytes_go_through_a_bounded_pipe() {
    assert_eq!(out("seq 1 1500000 | wc -l"), "1500000\n");
    assert_eq!(out("yes | head -c 10000000 | cat | wc -c"), "10000000\n");
}

#[test]
fn what_has_no_end_is_an_error() {
    for (script, error) in [
        ("f() { f; }; f", "sh: commands nested more than 1000 deep"),
        ("f() { echo $(f); }; f", "sh: commands nested more than 1000 deep"),
        ("eval_() { eval eval_; }; eval_", "sh: commands nested more than 1000 deep"),
        ("x=$(yes)", "sh: command substitution over 8388608 bytes"),
        ("x=aaaaaaaa; while :; do x=$x$x; done", "sh: variables over 16777216 bytes"),
        (
            "x=$(head -c 8000000 /dev/zero | tr '\\0' a); echo $x$x$x | wc -c",
            "sh: expansion over 16777216 bytes",
        ),
        ("f() { f | f; }; f", "sh: more than 256 commands at once"),
        ("a=a+1; echo $((a))", "sh: a: expression nested too deep"),
    ] {
        let ran = run(script);
        assert!(ran.err.lines().any(|line| line == error), "{script}: {:?}", ran.err.lines().last());
    }
    let deep = format!("{}echo deep{}", "( ".repeat(60), " )".repeat(60));
    for (script, error) in [
        ("echo {1..1000000}", "sh: syntax error: command over 100000 words"),
        (deep.as_str(), "sh: syntax error: nested more than 40 deep"),
        ("a=(1 2)", "sh: syntax error: an array is not supported"),
        ("cat <(ls)", "sh: syntax error: process substitution is not supported"),
    ] {
        let ran = run(script);
        assert_eq!((ran.err.trim_end(), ran.status), (error, 2), "{script}");
    }
}

#[test]
fn forty_levels_are_fine() {
    let script = format!("{}echo deep{}", "( ".repeat(38), " )".repeat(38));
    assert_eq!(out(&script), "deep\n");
    assert_eq!(out("( (echo a) ); ( (echo b); echo c )"), "a\nb\nc\n");
    let script = format!("{}echo deep{}", "if true; then ".repeat(38), "; fi".repeat(38));
    assert_eq!(out(&script), "deep\n");
}

#[test]
fn syntax_errors_name_the_token() {
    for (script, token) in [
        ("fi", "`fi'"),
        ("if true; done", "`done'"),
        ("echo )", "`)'"),
        ("while true; do echo; fi", "`fi'"),
        ("for i in 1; done", "`done'"),
        ("echo a | | b", "`|'"),
        ("}", "`}'"),
    ] {
        let ran = run(script);
        assert_eq!(ran.status, 2, "{script}");
        assert_eq!(ran.err, format!("sh: syntax error: near unexpected token {token}\n"), "{script}");
    }
    for script in
        ["echo 'a", "if true", "echo $(", "cat <<X\na", "echo a &&", "f() {", "case x in", "echo ${x"]
    {
        let error = crate::syntax::parse(script).expect_err(script);
        assert!(matches!(error, crate::syntax::SyntaxError::Incomplete(_)), "{script}: {error:?}");
    }
}

#[test]
fn traces_commands() {
    let ran = run("set -x; x='a b'; echo $x \"$x\" ''; y=1 true");
    assert_eq!(ran.err, "+ x='a b'\n+ echo a b 'a b' ''\n+ y=1 true\n");
}

#[test]
fn timeouts_end_what_takes_too_long() {
    assert_eq!(run("timeout 1 sleep 5").status, 124);
    assert_eq!(run("timeout 5 sh -c 'exit 3'").status, 3);
    assert_eq!(out("timeout 1 yes | head -1"), "y\n");
}

#[test]
fn aliases_stand_for_their_text() {
    assert_eq!(out("alias e='echo aliased'\ne 'a  b' c"), "aliased a  b c\n");
    assert_eq!(out("alias echo='echo again'; echo x"), "again x\n");
    assert_eq!(out("alias two='echo 1; echo'; two 2"), "1\n2\n");
}

#[test]
fn a_script_may_be_read_from_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run_in(directory.path(), "read first; sh", b"line\necho $((6 * 7))\n");
    assert_eq!((ran.out.as_str(), ran.status), ("42\n", 0), "{}", ran.err);
}

#[test]
fn output_that_fails_is_told() {
    let ran = run("echo x >&-; echo $?");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("1\n", "sh: write error: Bad file descriptor\n"));
    let ran = run("echo x >nosuch/file; echo $?");
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("1\n", "sh: nosuch/file: No such file or directory\n"));
}

#[test]
fn help_knows_every_command() {
    let text = out("help");
    for builtin in crate::builtins::ALL {
        assert!(text.contains(&format!("\n  {}\n", builtin.help)), "{}", builtin.name);
        assert!(builtin.help.starts_with(builtin.name), "{}", builtin.name);
    }
    for utility in crate::utils::ALL {
        assert!(text.contains(utility.help), "{}", utility.name);
    }
    assert!(crate::builtins::ALL.is_sorted_by_key(|builtin| builtin.name));
}
