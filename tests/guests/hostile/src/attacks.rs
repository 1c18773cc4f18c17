//! The attacks. Those that end print one line that begins with `refused`.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::time::Duration;

use agent::types::Operation;

const MIB: usize = 1024 * 1024;

/// Where an agent may write.
const WORKSPACE: &str = "/work";

/// Long enough for a checkpoint in between.
const TRAP_AFTER: Duration = Duration::from_secs(2);

/// How often anything is tried that should have been refused long before.
const MANY: usize = 10_000_000;

/// The same for what lands on a disk: a host without limits must not cost the machine its own.
const MANY_MIB: usize = 1_024;
const MANY_FILES: usize = 100_000;

pub(crate) fn endless() {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

pub(crate) async fn spin() {
    loop {
        agent::yield_now().await;
    }
}

pub(crate) fn memory(touch: bool) {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for mib in 0..MANY {
        let mut block = Vec::new();
        if blocks.try_reserve(1).is_err() || block.try_reserve_exact(MIB).is_err() {
            agent::println!("refused at {mib} MiB");
            break;
        }
        if touch {
            block.resize(MIB, 1);
        }
        blocks.push(block);
    }
    // Kept: the test looks at what the agent holds afterwards.
    std::mem::forget(black_box(blocks));
}

pub(crate) fn flood() {
    let line = [b"flood ".repeat(10_000).as_slice(), b"\r\n"].concat();
    loop {
        // A refusal stops nobody who means harm.
        let _ = black_box(agent::terminal::write(&line));
    }
}

pub(crate) fn log_flood() {
    let text = "flood ".repeat(10_000);
    loop {
        agent::log::info!(text; "{text}");
    }
}

/// Through WASI instead of our own imports.
pub(crate) fn stdout_flood() {
    loop {
        // A refusal stops nobody who means harm.
        let _ = black_box(writeln!(std::io::stdout(), "{}", "flood ".repeat(100)));
        let _ = black_box(writeln!(std::io::stderr(), "{}", "flood ".repeat(100)));
    }
}

/// A few bytes each that ask the screen for as much work as it can be asked for.
pub(crate) fn screen_flood() {
    let costly = b"x\x1b[65535b\x1b[2J\x1b[500S\x1b[999L".repeat(1_000);
    loop {
        let _ = black_box(agent::terminal::write(&costly));
    }
}

pub(crate) fn trap() {
    panic!("as the configuration asked");
}

pub(crate) fn trap_later() {
    agent::spawn(async {
        if agent::sleep(TRAP_AFTER).await.is_ok() {
            trap();
        }
    })
    .detach();
    agent::println!("not yet");
}

pub(crate) fn stack() {
    fn dive(depth: u64) -> u64 {
        if depth == u64::MAX { 0 } else { black_box(dive(black_box(depth) + 1)) + 1 }
    }
    agent::println!("{}", dive(0));
}

pub(crate) async fn operations() {
    let mut pending = Vec::new();
    for count in 0..MANY {
        let operation = agent::operation(Operation::Sleep(3_600_000)).submit();
        if operation.id().is_none() {
            match operation.await {
                Err(error) => agent::println!("refused at {count} operations: {error}"),
                Ok(_) => agent::println!("accepted and done, but without an id"),
            }
            break;
        }
        pending.push(operation);
    }
    std::mem::forget(pending);
}

pub(crate) fn handles() {
    let path = format!("{WORKSPACE}/handles");
    let mut open = Vec::new();
    for count in 0..MANY {
        match File::options().create(true).append(true).open(&path) {
            Ok(file) => open.push(file),
            Err(error) => {
                agent::println!("refused at {count} handles: {error}");
                break;
            }
        }
    }
    std::mem::forget(open);
}

pub(crate) fn files() {
    let block = vec![b'x'; MIB];
    for count in 0..MANY_MIB {
        let written =
            File::create(format!("{WORKSPACE}/bytes-{count}")).and_then(|mut file| file.write_all(&block));
        if let Err(error) = written {
            return agent::println!("refused at {count} MiB of files: {error}");
        }
    }
    agent::println!("not refused: {MANY_MIB} MiB of files");
}

pub(crate) fn file_count() {
    for count in 0..MANY_FILES {
        if let Err(error) = fs::write(format!("{WORKSPACE}/empty-{count}"), b"") {
            return agent::println!("refused at {count} files: {error}");
        }
    }
    agent::println!("not refused: {MANY_FILES} files");
}

/// Writes numbered lines, so that every byte of the terminal says where it belongs.
pub(crate) fn burst() {
    const LINES: usize = 120_000;
    const PIECE: usize = 4_000;
    for first in (0..LINES).step_by(PIECE) {
        let lines: String = (first..first + PIECE).map(|line| format!("{line:07}\r\n")).collect();
        for piece in lines.as_bytes().chunks(32 * 1024) {
            if let Err(refusal) = agent::terminal::write(piece) {
                return agent::println!("refused: {}", refusal.reason);
            }
        }
    }
    agent::println!("done");
}

/// Takes no event until Ctrl-C; then counts letters, which must be the alphabet over and over.
pub(crate) async fn census() {
    agent::println!("busy");
    while !agent::interrupted() {
        black_box(0);
    }
    let mut count = 0_usize;
    loop {
        for byte in agent::next_input().await {
            match byte {
                b'a'..=b'z' if usize::from(byte - b'a') == count % 26 => count += 1,
                b'a'..=b'z' => return agent::println!("wrong at {count}"),
                b'.' => return agent::println!("counted {count}"),
                _ => {}
            }
        }
    }
}

pub(crate) async fn fetch() {
    match agent::fetch(agent::Request::get("https://example.com/")).await {
        Ok(response) => agent::println!("not refused: {}", response.status),
        Err(agent::Error::Refused(refusal)) => {
            agent::println!("refused ({:?}): {}", refusal.code, refusal.reason);
        }
        Err(error) => agent::println!("accepted: {error}"),
    }
}

pub(crate) async fn send(to: &str) {
    match agent::send(to, "text/plain", "add 7\n").await {
        Ok(id) => agent::println!("sent {id}"),
        Err(agent::Error::Refused(refusal)) => {
            agent::println!("refused ({:?}): {}", refusal.code, refusal.reason);
        }
        Err(error) => agent::println!("not sent: {error}"),
    }
}
