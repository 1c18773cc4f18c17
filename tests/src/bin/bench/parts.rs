//! The cloud's parts on threads of their own, so that the CPU time of each is known.

use std::{fs, io, sync::OnceLock, time::Duration};

use cloud_tests::cloud::{Runtimes, Setup};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

static RUNTIMES: OnceLock<Runtimes> = OnceLock::new();
/// Threads stay: their time would go with them.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Between two looks at whether everything rests.
const PAUSE: Duration = Duration::from_millis(1);

/// The threads of API, hosts and clients; the last are what a benchmark itself runs on.
pub(crate) fn start() -> io::Result<[Runtime; 3]> {
    let runtime =
        |name| Builder::new_multi_thread().enable_all().thread_name(name).thread_keep_alive(KEPT).build();
    let all = [runtime("api")?, runtime("host")?, runtime("client")?];
    let runtimes = Runtimes { api: all[0].handle().clone(), host: all[1].handle().clone() };
    RUNTIMES.get_or_init(|| runtimes);
    Ok(all)
}

/// How every benchmark's cloud is made.
pub(crate) fn setup(images: &[&'static str], max_agents: u32) -> Setup {
    let runtimes = RUNTIMES.get().cloned();
    Setup { images: images.to_vec(), max_agents, runtimes, ..Setup::default() }
}

/// CPU time so far, from the scheduler's own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// Sockets, checkpoints and files of the hosts.
    pub(crate) host: Duration,
    /// Guests, and the capture and restore of their memory.
    pub(crate) guests: Duration,
    /// The API and its store.
    pub(crate) api: Duration,
    /// What asks.
    pub(crate) client: Duration,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        look().0
    }

    /// Now, when no thread of the hosts or the API has anything to do any more.
    pub(crate) async fn at_rest() -> Self {
        let (mut before, mut rests) = look();
        loop {
            tokio::time::sleep(PAUSE).await;
            let (now, now_rests) = look();
            let same = Self { client: before.client, ..now } == before;
            if same && rests && now_rests {
                return now;
            }
            (before, rests) = (now, now_rests);
        }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            host: self.host.saturating_sub(before.host),
            guests: self.guests.saturating_sub(before.guests),
            api: self.api.saturating_sub(before.api),
            client: self.client.saturating_sub(before.client),
        }
    }

    /// Of the hosts, their guest threads included.
    pub(crate) fn of_hosts(self) -> Duration {
        self.host + self.guests
    }

    pub(crate) fn seconds(self) -> Value {
        let of = |part: Duration| part.as_secs_f64();
        json!({ "host": of(self.host), "guests": of(self.guests), "api": of(self.api), "client": of(self.client) })
    }
}

/// What every thread used, and whether those of hosts and API all sleep.
fn look() -> (Cpu, bool) {
    let (mut cpu, mut rests) = (Cpu::default(), true);
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let spent = read("schedstat").split_whitespace().next().and_then(|spent| spent.parse().ok());
        let spent = Duration::from_nanos(spent.unwrap_or(0));
        let name = read("comm");
        let part = match name.trim() {
            name if name.starts_with("guest-") => &mut cpu.guests,
            name if name.starts_with("host") => &mut cpu.host,
            name if name.starts_with("api") || name.starts_with("store-") => &mut cpu.api,
            _ => {
                cpu.client += spent;
                continue;
            }
        };
        *part += spent;
        // proc_pid_stat(5): the state comes after the name in parentheses.
        rests &= read("stat").rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'));
    }
    (cpu, rests)
}
