//! A host with live agents drains to a second one; half of the agents have changed since their last checkpoint.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cloud_tests::{Cloud, cloud::Setup};
use depot::Depot;
use serde_json::{Value, json};
use wire::agent::{Agent, Status};

use crate::{
    common::{fleet, line, load, several},
    parts::{self, Cpu},
};

const IDLE: usize = 1000;
/// Shells with a variable and a file, and agents that hold memory of their own.
const SHELLS: usize = 600;
const SMALL: usize = 350;
const LARGE: usize = 50;
const SMALL_KIB: u32 = 256;
const LARGE_KIB: u32 = 2048;
/// Of the shells and of the others, those that are asked whether they know everything.
const ASKED: usize = 20;
/// Longest wait for them to run elsewhere.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run() -> Value {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::local(dir.path()).unwrap();
    let setup = Setup { depot: Some(depot.clone()), ..parts::setup(&["shell", "load"], 2200) };
    let shared = Arc::new(Cloud::with(setup).await);
    let mut agents = fleet(&shared, IDLE, false).await;
    let begun = Instant::now();
    let busy = several(&shared, SHELLS + SMALL + LARGE, changed).await;
    let prepared = begun.elapsed().as_secs_f64();
    agents.extend(busy.iter().cloned());
    let mut cloud = Arc::try_unwrap(shared).unwrap();
    cloud.add_host().await;
    let (stored, spent) = (depot.counts(), Cpu::now());
    let begun = Instant::now();
    cloud.stop_host().await;
    let stopped = begun.elapsed().as_secs_f64();
    let lost = moved(&cloud, &agents, begun).await;
    let running = begun.elapsed().as_secs_f64();
    let (cpu, now) = (Cpu::now().since(spent), depot.counts());
    let (objects, bytes) = (now.puts - stored.puts, now.bytes_out - stored.bytes_out);
    ask(&cloud, &busy).await;
    println!(
        "drain of {} live agents, {} of them changed within {prepared:.1} s before: host ended after {stopped:.1} s, all \
         seen running elsewhere by {running:.1} s, {lost} not; {objects} objects with {} KiB, {:.1} s of CPU   promised: \
         2,000 in 20 s",
        agents.len(),
        busy.len(),
        bytes / 1024,
        (cpu.of_hosts() + cpu.api).as_secs_f64(),
    );
    json!({
        "agents": agents.len(), "changed": busy.len(), "changed_within_seconds": prepared,
        "host_ended_seconds": stopped, "running_seconds": running, "not_running": lost,
        "objects": objects, "bytes": bytes, "cpu_seconds": cpu.seconds(), "asked_and_whole": 2 * ASKED,
        "promised": "2,000 in 20 s",
    })
}

/// An agent that differs from a fresh one, each in its own way.
async fn changed(cloud: Arc<Cloud>, number: usize) -> Agent {
    if number < SHELLS {
        let name = format!("shell-{number}");
        let agent = cloud.spawn(json!({ "image": "shell", "name": name })).await;
        let mut terminal = cloud.terminal(&agent).await;
        terminal.wait("$").await;
        terminal.run(&format!("X={number}; echo $X > note; echo done-$X")).await;
        terminal.wait_line(&format!("done-{number}")).await;
        return agent;
    }
    let (agent, mut terminal) = load(&cloud, "load", &format!("load-{number}")).await;
    let kib = if number < SHELLS + SMALL { SMALL_KIB } else { LARGE_KIB };
    // Pages that no other one has.
    line(&mut terminal, &format!("fill {kib} {number}")).await;
    agent
}

/// Waits until all run on another host; how many do not.
async fn moved(cloud: &Cloud, agents: &[Agent], begun: Instant) -> usize {
    let mut lost = 0_usize;
    for agent in agents {
        loop {
            let now = cloud.agent(agent).await;
            if now.status == Status::Running && now.host != agent.host {
                break;
            }
            if begun.elapsed() > PATIENCE {
                lost += 1;
                if lost == 1 {
                    println!("not moved: {:?} {:?} {:?}", now.status, now.status_reason, now.status_detail);
                }
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    lost
}

/// Some of those that had changed know what they did.
async fn ask(cloud: &Cloud, busy: &[Agent]) {
    let (shells, loads): (Vec<_>, Vec<_>) = busy.iter().partition(|agent| agent.name.starts_with("shell-"));
    for agent in shells.iter().step_by(shells.len() / ASKED).take(ASKED) {
        let number = agent.name.trim_start_matches("shell-");
        let mut terminal = cloud.terminal(agent).await;
        terminal.run("echo again-$X-$(cat note)").await;
        terminal.wait_line(&format!("again-{number}-{number}")).await;
    }
    for agent in loads.iter().step_by(loads.len() / ASKED).take(ASKED) {
        let mut terminal = cloud.terminal(agent).await;
        terminal.run("touch 64").await;
        terminal.wait_line("touched 64").await;
    }
}
