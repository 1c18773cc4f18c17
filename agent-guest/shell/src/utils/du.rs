//! `du`: sizes as the workspace's quota counts them, in bytes of content; directories take none.

use std::io::Write as _;

use super::{
    describe, locate, ls, misuse, options,
    streams::Out,
    walk::{Stage, Walk},
};
use crate::command::{Call, Failure};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let long = [
        ("all", 'a'),
        ("bytes", 'b'),
        ("apparent-size", 'A'),
        ("total", 'c'),
        ("max-depth=", 'd'),
        ("human-readable", 'h'),
        ("summarize", 's'),
    ];
    let options = options::parse(call, "aAbcd:hkms", &long)?;
    let deepest = match options.value('d') {
        Some(text) => {
            text.parse().map_err(|_| misuse(call, format_args!("invalid maximum depth '{text}'")))?
        }
        None if options.has('s') => 0,
        None => usize::MAX,
    };
    let shown = |bytes: u64| match options.last_of("bhkm") {
        Some('h') => ls::human(bytes),
        Some('b') => bytes.to_string(),
        Some('m') => bytes.div_ceil(1 << 20).to_string(),
        _ => bytes.div_ceil(1024).to_string(),
    };
    let mut out = Out::new(call);
    let mut operands = options.operands.clone();
    if operands.is_empty() {
        operands.push(".".to_owned());
    }
    let mut total = 0;
    for operand in &operands {
        let mut walk = Walk::new(locate(call, operand), operand);
        // Bytes below each directory that is open.
        let mut open: Vec<u64> = Vec::new();
        while let Some(visit) = walk.next() {
            super::pause().await;
            let visit = match visit {
                Ok(visit) => visit,
                Err((shown, error)) => {
                    out.complain(format_args!("cannot access '{shown}': {}", describe(&error))).await?;
                    continue;
                }
            };
            let bytes = match visit.stage {
                Stage::Enter => {
                    open.push(0);
                    continue;
                }
                Stage::Leave => open.pop().unwrap_or(0),
                Stage::Leaf => visit.metadata.len(),
            };
            match open.last_mut() {
                Some(parent) => *parent += bytes,
                None => total += bytes,
            }
            let wanted = visit.stage == Stage::Leave || options.has('a') || visit.depth == 0;
            if wanted && visit.depth <= deepest {
                let _ = writeln!(out, "{}\t{}", shown(bytes), visit.shown);
                out.step().await?;
            }
        }
    }
    if options.has('c') {
        out.put(format!("{}\ttotal\n", shown(total))).await?;
    }
    out.finish().await
}
