//! On the fake host.

use agent::testing::FakeHost;

use super::load;

#[test]
fn it_answers_each_line_and_what_it_calculates_goes_on() {
    let mut host = FakeHost::new();
    host.start(load);
    assert_eq!(host.text(), "load ready\r\n");
    host.take_output();
    host.input("touch 1\rfill 64 7\rtouch 99\rburn 1\rburn 1\rwork 0 1 8\rnothing\r");
    let text = host.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["touched 0", "filled 64", "touched 16"]);
    assert!(lines[3].starts_with("burnt ") && lines[4].starts_with("burnt ") && lines[3] != lines[4]);
    assert_eq!(lines[5..], ["worked 811c9dc5", "what? nothing"]);
}
