//! One shell, suspended over and over; a key press wakes it every time.

use std::time::Instant;

use cloud_tests::Cloud;
use serde_json::{Value, json};
use wire::{agent::Status, terminal::ServerControl};

use crate::{
    common::{applied, output, post, running},
    parts::{self, Cpu},
    stats::report,
};

const WARM_UP: usize = 20;
const CYCLES: usize = 200;

pub(crate) async fn run() -> Value {
    let cloud = Cloud::with(parts::setup(&["shell"], 64)).await;
    let agent = cloud.spawn(json!({ "image": "shell" })).await;
    let mut terminal = cloud.terminal(&agent).await;
    terminal.wait("$").await;
    let (mut wall, mut hosts, mut guests, mut api) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut wake, mut wake_cpu, mut resume) = (Vec::new(), Vec::new(), Vec::new());
    for cycle in 0..WARM_UP + CYCLES {
        let before = Cpu::at_rest().await;
        let begun = Instant::now();
        post(&cloud, &agent, "suspend", json!(null)).await;
        let took = begun.elapsed();
        let suspended = Cpu::at_rest().await;
        let spent = suspended.since(before);
        // Its socket was told, so all output of before has been received: what comes now is new.
        let rests = |control: &ServerControl| match control {
            ServerControl::Status { status: Status::Suspended, .. } => Some(()),
            _ => None,
        };
        terminal.wait_control(rests).await;
        terminal.control.clear();
        let begun = Instant::now();
        terminal.keys(if cycle % 40 == 39 { "\x15" } else { "x" }).await;
        output(&mut terminal).await;
        let woke = begun.elapsed();
        applied(&mut terminal).await;
        running(&cloud, &agent).await;
        let woke_cpu = Cpu::at_rest().await.since(suspended);
        if cycle >= WARM_UP {
            wall.push(took);
            hosts.push(spent.of_hosts());
            guests.push(spent.guests);
            api.push(spent.api);
            wake.push(woke);
            wake_cpu.push(woke_cpu.of_hosts());
        }
    }
    drop(terminal);
    for _ in 0..CYCLES {
        post(&cloud, &agent, "suspend", json!(null)).await;
        Cpu::at_rest().await;
        let begun = Instant::now();
        post(&cloud, &agent, "resume", json!(null)).await;
        resume.push(begun.elapsed());
    }
    json!({
        "host_cpu": report("suspend of a shell: CPU of the host, all its threads", hosts, "p50 2 ms"),
        "guest_threads_cpu": report("  of it on the guest threads (event, capture, drop)", guests, "-"),
        "api_cpu": report("  beside it: CPU of the API and its store", api, "-"),
        "wall": report("  request to 200 suspended", wall, "-"),
        "wake": report("key press on a suspended shell to its first output byte", wake, "p50 5 ms"),
        "wake_host_cpu": report("  CPU of the host for that, all its threads", wake_cpu, "-"),
        "resume": report("resume request to 200 running, no terminal", resume, "-"),
    })
}
