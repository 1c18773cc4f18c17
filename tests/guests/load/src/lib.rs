//! An agent that computes and writes memory on demand, for the benchmarks: a line for each, answered by a line.
//!
//! | line | what it does | answer |
//! |---|---|---|
//! | `fill KIB SEED` | holds so much more memory, no page of it like another, about half compressible | `filled KIB` |
//! | `touch PAGES` | changes a word of so many pages it holds, each time the next ones | `touched PAGES` |
//! | `burn ROUNDS` | calculates on 64 KiB, by direct and indirect calls; of one length for one number | `burnt HASH` |
//! | `work ROUNDS PAGES OF` | both, but touches the first `OF` pages only | `worked HASH` |

use agent::Event;

mod burn;
mod memory;

use burn::Burn;
use memory::Memory;

agent::main!(load);

/// The longest line, bytes.
const MAX_LINE: usize = 64;

async fn load(_start: agent::Start) -> Result<(), String> {
    let (mut memory, mut burn) = (Memory::default(), Burn::new());
    agent::println!("load ready");
    let mut line = Vec::new();
    loop {
        let Event::Input(bytes) = agent::next_event().await else { continue };
        for byte in bytes {
            if byte != b'\r' {
                if line.len() < MAX_LINE {
                    line.push(byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            match answer(&text, &mut memory, &mut burn) {
                Some(answer) => agent::println!("{answer}"),
                None => agent::println!("what? {text}"),
            }
        }
    }
}

fn answer(line: &str, memory: &mut Memory, burn: &mut Burn) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |text: &str| text.parse::<u32>().ok();
    Some(match words[..] {
        ["fill", kib, seed] => format!("filled {}", memory.fill(number(kib)?, number(seed)?)),
        ["touch", pages] => format!("touched {}", memory.touch(number(pages)?, u32::MAX)),
        ["burn", rounds] => format!("burnt {:08x}", burn.run(number(rounds)?)),
        ["work", rounds, pages, of] => {
            memory.touch(number(pages)?, number(of)?);
            format!("worked {:08x}", burn.run(number(rounds)?))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
