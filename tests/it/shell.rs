//! The shell, typed at as people do: through the socket, on the host it comes with.

use std::time::Duration;

use cloud_tests::{Cloud, Terminal};
use serde_json::json;
use wire::{
    agent::Agent,
    terminal::{ClientControl, ServerControl},
};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

async fn shell(cloud: &Cloud) -> (Agent, Terminal) {
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    (agent, terminal)
}

/// Lines of the screen that are exactly this text.
fn count(screen: &str, text: &str) -> usize {
    screen.lines().filter(|line| line.trim_end() == text).count()
}

/// Presses Ctrl-C; the prompt comes back and says with what status.
async fn interrupt(terminal: &mut Terminal) {
    terminal.keys(CTRL_C).await;
    terminal.wait_line("^C").await;
    terminal.wait_line("~ 130 $").await;
    terminal.run("echo status $?").await;
    terminal.wait_line("status 130").await;
}

#[tokio::test]
async fn a_pipe_ends_when_its_reader_has_enough() {
    let cloud = Cloud::start().await;
    let (_, mut terminal) = shell(&cloud).await;
    terminal.run("yes | head -1").await;
    terminal.run("echo status $?").await;
    terminal.wait_line("status 0").await;
    assert_eq!(count(&terminal.screen(), "y"), 1, "{}", terminal.screen());
}

#[tokio::test]
async fn commands_read_what_is_typed() {
    let cloud = Cloud::start().await;
    let (_, mut terminal) = shell(&cloud).await;
    terminal.run("read x").await;
    terminal.run("two words").await;
    terminal.run("echo \"got $x\"").await;
    terminal.wait_line("got two words").await;
    terminal.run("cat").await;
    terminal.run("said").await;
    terminal.wait_until("the line and its copy", |screen| count(screen, "said") == 2).await;
    terminal.keys(CTRL_D).await;
    // A `cat` that went on would say this as it is.
    terminal.run("echo status $?").await;
    terminal.wait_line("status 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_a_loop_that_never_rests() {
    let cloud = Cloud::start().await;
    let (_, mut terminal) = shell(&cloud).await;
    terminal.run("echo begun; while :; do :; done").await;
    terminal.wait_line("begun").await;
    interrupt(&mut terminal).await;
}

#[tokio::test]
async fn ctrl_c_ends_a_wait() {
    let cloud = Cloud::start().await;
    let (_, mut terminal) = shell(&cloud).await;
    terminal.run("echo begun; sleep 100").await;
    terminal.wait_line("begun").await;
    interrupt(&mut terminal).await;
}

#[tokio::test]
async fn jobs_run_beside_and_are_waited_for() {
    let cloud = Cloud::start().await;
    let (_, mut terminal) = shell(&cloud).await;
    let begun = tokio::time::Instant::now();
    terminal.run("sleep 2 & echo now; wait; echo done").await;
    terminal.wait_line("now").await;
    assert_eq!(count(&terminal.screen(), "done"), 0, "{}", terminal.screen());
    terminal.wait_line("done").await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_megabytes_go_through_a_pipe_in_bounded_memory() {
    const MEMORY_MIB: u64 = 8;
    let cloud = Cloud::start().await;
    let limits = json!({ "memory_mib": MEMORY_MIB, "fuel_per_second": 10_000_000_000_u64 });
    let agent = cloud.spawn(json!({ "image": "shell", "limits": limits })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.run("yes | head -c 10000000 | cat | wc -c").await;
    terminal.wait_line("10000000").await;
    // Memory only grows, so this is the most there was.
    let usage = cloud.usage(&agent).await;
    assert!((1..MEMORY_MIB << 20).contains(&usage.memory_bytes), "{usage:?}");
    terminal.run("echo status $?").await;
    terminal.wait_line("status 0").await;
}

#[tokio::test]
async fn a_resize_reaches_the_shell() {
    let cloud = Cloud::start().await;
    let (_, mut terminal) = shell(&cloud).await;
    terminal.run("echo $COLUMNS by $LINES").await;
    terminal.wait_line("80 by 24").await;
    let (cols, rows) = (100, 30);
    terminal.send(&ClientControl::Resize { cols, rows }).await;
    let resized = ServerControl::Resized { cols, rows };
    terminal.wait_control(|message| (*message == resized).then_some(())).await;
    terminal.run("echo $COLUMNS by $LINES").await;
    terminal.wait_line("100 by 30").await;
}
