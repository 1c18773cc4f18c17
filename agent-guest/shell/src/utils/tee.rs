//! `tee`.

use std::fs::{File, OpenOptions};

use super::{describe, locate, options, pause, streams::Out};
use crate::{
    command::{Call, Failure},
    io::Writer,
};

pub(crate) async fn run(call: &Call) -> Result<u8, Failure> {
    let options = options::parse(call, "aip", &[("append", 'a'), ("ignore-interrupts", 'i')])?;
    let mut out = Out::new(call);
    let mut files = Vec::new();
    for operand in &options.operands {
        if operand == "/dev/null" {
            continue;
        }
        let path = locate(call, operand);
        let opened = match options.has('a') {
            true => OpenOptions::new().append(true).create(true).open(path),
            false => File::create(path),
        };
        if let Some(file) = out.check(operand, opened).await? {
            files.push((operand, Writer::to_file(file)));
        }
    }
    loop {
        pause().await;
        let bytes = call.stdin.read().await?;
        if bytes.is_empty() {
            return out.finish().await;
        }
        out.put(&bytes).await?;
        out.flush().await?;
        let mut failed = Vec::new();
        for (index, (operand, writer)) in files.iter().enumerate() {
            if let Err(error) = writer.write_all(&bytes).await {
                out.complain(format_args!("{operand}: {}", describe(&error))).await?;
                failed.push(index);
            }
        }
        for index in failed.into_iter().rev() {
            files.remove(index);
        }
    }
}
