//! What being suspendable costs an agent: the added access module, and checkpoints while it works.
//!
//! The same component runs twice on one host: once as it is loaded, instrumented, and once with a core module added
//! that nothing instantiates and that sets a table's element. For that the instrumenter refuses it, so it runs as its
//! maker compiled it, without checkpoints. Both take turns.

use std::time::{Duration, Instant};

use cloud_tests::{Cloud, Terminal, cloud::Setup, components};
use depot::Depot;
use host::ImageSource;
use serde_json::{Value, json};
use wire::agent::Agent;

use crate::{
    common::{line, load},
    parts::{self, Cpu},
    stats::{quantile, report},
};

/// A core module as a section of a component: `(table 1 funcref) (func i32.const 0 ref.null func table.set 0)`.
const TABLE_SETTER: [u8; 38] = [
    1, 36, // core module section, its length
    0, b'a', b's', b'm', 1, 0, 0, 0, // version
    1, 4, 1, 0x60, 0, 0, // a type without parameters
    3, 2, 1, 0, // a function of it
    4, 4, 1, 0x70, 0, 1, // a table
    10, 10, 1, 8, 0, 0x41, 0, 0xd0, 0x70, 0x26, 0, 0x0b, // its code
];
const PAIRS: usize = 120;
/// One event of the calculation takes about this long.
const EVENT: Duration = Duration::from_millis(40);
/// Of a window in which one of the two works without a pause.
const WINDOW: Duration = Duration::from_secs(20);
const WINDOWS: usize = 3;
/// In which the last checkpoint of a window is over.
const BETWEEN: Duration = Duration::from_secs(10);
const HELD_KIB: u32 = 16 * 1024;
/// Pages that each event changes.
const PAGES: u32 = 16;
/// Calculation of one event of a busy agent.
const BUSY_EVENT: Duration = Duration::from_millis(10);

/// The component as it is, refused by the instrumenter.
fn original() -> ImageSource {
    let mut image = components::image("load");
    let mut bytes = image.bytes.to_vec();
    bytes.extend(TABLE_SETTER);
    image.name = "load-original".to_owned();
    image.bytes = bytes.into();
    image
}

struct Side {
    agent: Agent,
    terminal: Terminal,
}

impl Side {
    async fn new(cloud: &Cloud, image: &str) -> Self {
        let (agent, terminal) = load(cloud, image, image).await;
        Self { agent, terminal }
    }
}

async fn sides(depot: Option<Depot>) -> (Cloud, Side, Side) {
    let setup = Setup { more_images: vec![original()], depot, ..parts::setup(&["load"], 16) };
    let cloud = Cloud::with(setup).await;
    let (with, without) = (Side::new(&cloud, "load").await, Side::new(&cloud, "load-original").await);
    assert!(with.agent.suspendable && !without.agent.suspendable);
    (cloud, with, without)
}

/// How many rounds take about `long`. Both have then done the same: how long a round is depends on those before.
async fn rounds(with: &mut Side, without: &mut Side, long: Duration) -> u32 {
    line(&mut with.terminal, "burn 100").await;
    let begun = Instant::now();
    line(&mut without.terminal, "burn 100").await;
    let each = begun.elapsed() / 100;
    u32::try_from(long.as_nanos() / each.as_nanos().max(1)).unwrap_or(u32::MAX).max(1)
}

#[derive(Default)]
struct Events {
    cpu: Vec<Duration>,
    wall: Vec<Duration>,
    /// Of all of them: the meter of one goes by the slice.
    fuel: u64,
}

impl Events {
    async fn one(&mut self, cloud: &Cloud, side: &mut Side, text: &str) {
        let fuel = cloud.usage(&side.agent).await.fuel;
        let before = Cpu::at_rest().await;
        let begun = Instant::now();
        line(&mut side.terminal, text).await;
        self.wall.push(begun.elapsed());
        self.cpu.push(Cpu::at_rest().await.since(before).guests);
        self.fuel += cloud.usage(&side.agent).await.fuel - fuel;
    }
}

pub(crate) async fn instrumentation() -> Value {
    let (cloud, mut with, mut without) = sides(None).await;
    let text = format!("burn {}", rounds(&mut with, &mut without, EVENT).await);
    let (mut a, mut b) = (Events::default(), Events::default());
    for pair in 0..PAIRS {
        // Neither is always the first of the two.
        if pair % 2 == 0 {
            a.one(&cloud, &mut with, &text).await;
            b.one(&cloud, &mut without, &text).await;
        } else {
            b.one(&cloud, &mut without, &text).await;
            a.one(&cloud, &mut with, &text).await;
        }
    }
    let mut more: Vec<f64> = a.cpu.iter().zip(&b.cpu).map(|(a, b)| percent_more(*a, *b)).collect();
    more.sort_unstable_by(f64::total_cmp);
    let (median, low, high) = (quantile(&more, 0.5), quantile(&more, 0.25), quantile(&more, 0.75));
    let (fuel_a, fuel_b) = (a.fuel, b.fuel);
    #[allow(clippy::cast_precision_loss, reason = "a share of some billions")]
    let more_fuel = (fuel_a as f64 / fuel_b as f64 - 1.0) * 100.0;
    let result = json!({
        "pairs": PAIRS, "event": text,
        "overhead_percent": { "median": median, "quartiles": [low, high] },
        "fuel": { "instrumented": fuel_a, "original": fuel_b },
        "instrumented_cpu": report("CPU of an event, instrumented", a.cpu, "-"),
        "original_cpu": report("CPU of the same event, original component", b.cpu, "-"),
        "instrumented_wall": report("  wall, instrumented", a.wall, "-"),
        "original_wall": report("  wall, original component", b.wall, "-"),
        "promised": "1 %",
    });
    println!(
        "overhead of instrumentation, {PAIRS} pairs: median {median:+.2} % of CPU (half of the pairs within {low:+.2} to \
         {high:+.2}), {more_fuel:+.3} % of fuel   promised: 1 %"
    );
    result
}

fn percent_more(a: Duration, b: Duration) -> f64 {
    (a.as_secs_f64() / b.as_secs_f64() - 1.0) * 100.0
}

/// What one side did in its windows.
#[derive(Default)]
struct Work {
    events: u32,
    wall: Duration,
    cpu: Cpu,
    objects: u64,
    bytes: u64,
}

impl Work {
    async fn window(&mut self, depot: &Depot, side: &mut Side, text: &str) {
        let (stored, before) = (depot.counts(), Cpu::at_rest().await);
        let begun = Instant::now();
        while begun.elapsed() < WINDOW {
            line(&mut side.terminal, text).await;
            self.events += 1;
        }
        self.wall += begun.elapsed();
        let cpu = Cpu::at_rest().await.since(before);
        self.cpu.host += cpu.host;
        self.cpu.guests += cpu.guests;
        tokio::time::sleep(BETWEEN).await;
        let now = depot.counts();
        self.objects += now.puts - stored.puts;
        self.bytes += now.bytes_out - stored.bytes_out;
    }

    fn each(&self, of: Duration) -> Duration {
        of / self.events.max(1)
    }

    fn json(&self) -> Value {
        let ms = |of| self.each(of).as_secs_f64() * 1000.0;
        json!({
            "events": self.events, "seconds": self.wall.as_secs_f64(), "wall_ms_an_event": ms(self.wall),
            "guest_threads_cpu_ms_an_event": ms(self.cpu.guests), "host_cpu_ms_an_event": ms(self.cpu.of_hosts()),
            "objects": self.objects, "bytes": self.bytes,
        })
    }
}

pub(crate) async fn checkpoints() -> Value {
    let mut results = serde_json::Map::new();
    // All that it holds changes between two checkpoints, or a sixteenth of it.
    for (name, changes) in [("all_of_16_mib", HELD_KIB), ("1_of_16_mib", HELD_KIB / 16)] {
        results.insert(name.to_owned(), busy(changes).await);
    }
    results.into()
}

/// A busy agent that holds [`HELD_KIB`], and changes `changes` KiB of it again and again.
async fn busy(changes: u32) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::local(dir.path()).unwrap();
    let (_cloud, mut with, mut without) = sides(Some(depot.clone())).await;
    for side in [&mut with, &mut without] {
        line(&mut side.terminal, &format!("fill {HELD_KIB} 1")).await;
    }
    let rounds = rounds(&mut with, &mut without, BUSY_EVENT).await;
    let text = format!("work {rounds} {} {}", PAGES, changes / 4);
    let (mut on, mut off) = (Work::default(), Work::default());
    for _ in 0..WINDOWS {
        on.window(&depot, &mut with, &text).await;
        off.window(&depot, &mut without, &text).await;
    }
    let wall = percent_more(on.each(on.wall), off.each(off.wall));
    let guests = percent_more(on.each(on.cpu.guests), off.each(off.cpu.guests));
    let all = percent_more(on.each(on.cpu.of_hosts()), off.each(off.cpu.of_hosts()));
    println!(
        "overhead of checkpoints on a busy agent that changes {changes} KiB between two: {wall:+.2} % wall, {guests:+.2} % \
         CPU of guest threads, {all:+.2} % CPU of the host; {} objects, {} KiB in {:.0} s of work   promised: 5 %",
        on.objects,
        on.bytes / 1024,
        on.wall.as_secs_f64(),
    );
    json!({
        "event": text, "changes_kib": changes, "on": on.json(), "off": off.json(),
        "overhead_percent": { "wall": wall, "guest_threads_cpu": guests, "host_cpu": all }, "promised": "5 %",
    })
}
