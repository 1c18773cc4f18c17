//! What 100,000 suspended agents cost, and whether lists stay as fast as with a hundred.
//!
//! The first thousands are spawned and suspended, in steps, so that what a host keeps for ever could be told from caches
//! that fill up once. The others are rows that the store's own `create_agent` makes, each a copy of one of those under
//! an id of its own: no host hears of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api::store::{Created, Store as _, sqlite::SqliteStore};
use cloud_tests::{Cloud, cloud::Setup};
use futures_util::{StreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use wire::{AgentId, agent::Agent};

use crate::{
    common::{fleet, post},
    machine::status_kib,
    parts,
    stats::report,
};

const FEW: usize = 100;
/// Suspended by a host when it is looked at.
const STEPS: [usize; 4] = [4_000, 8_000, 12_000, 16_000];
const SUSPENDED: usize = STEPS[STEPS.len() - 1];
const ALL: usize = 100_000;
const LISTS: usize = 200;
const RESUMES: usize = 50;
/// Rows that are on their way to the store at once.
const AT_ONCE: usize = 512;

/// A cloud with the first few, their lists, and a resume of one.
async fn begin() -> (Arc<Cloud>, Vec<Agent>, Value, Value) {
    let setup = Setup { tenant_agents: 200_000, ..parts::setup(&["shell"], 400) };
    let cloud = Arc::new(Cloud::with(setup).await);
    let first = fleet(&cloud, FEW, true).await;
    let few = Lists::of(&cloud, &format!("{FEW} suspended")).await;
    let resumed = resumes(&cloud, &first[0], &format!("{FEW} suspended")).await;
    (cloud, first, few, resumed)
}

pub(crate) async fn run() -> Value {
    let (cloud, first, few, few_resumed) = begin().await;
    let begun = Instant::now();
    let (mut real, mut steps) = (first, vec![json!([FEW, status_kib("RssAnon")])]);
    for step in STEPS {
        real.extend(fleet(&cloud, step - real.len(), true).await);
        steps.push(json!([step, status_kib("RssAnon")]));
    }
    let took = begun.elapsed().as_secs_f64();
    println!("suspended by a host, and RssAnon in KiB of host, API and clients: {}", json!(steps));
    let begun = Instant::now();
    copies(&cloud, &real).await;
    let copied = begun.elapsed().as_secs_f64();
    let before_lists = status_kib("RssAnon");
    let many = Lists::of(&cloud, &format!("{ALL} suspended")).await;
    let many_resumed = resumes(&cloud, &real[0], &format!("{ALL} suspended")).await;
    let after = status_kib("RssAnon");
    println!(
        "{ALL} suspended ({SUSPENDED} by a host, the others by the store, in {copied:.1} s): RssAnon {before_lists} KiB, \
         after the lists {after} KiB   promised: none of it the host's"
    );
    json!({
        "suspended_by_a_host": SUSPENDED, "rows_by_the_store": ALL - SUSPENDED,
        "suspended_and_rss_anon_kib": steps, "rss_anon_kib_with_rows": before_lists, "rss_anon_kib_after_lists": after,
        "seconds": { "spawn_and_suspend": took, "rows": copied },
        "with_few": few, "with_all": many, "resume_with_few": few_resumed, "resume_with_all": many_resumed,
        "promised": "no memory of the host; the list flat",
    })
}

/// The same, where a host suspended every one of them.
pub(crate) async fn all() -> Value {
    const LOOKS: [usize; 7] = [1_000, 10_000, 20_000, 40_000, 60_000, 80_000, ALL];
    let (cloud, first, few, few_resumed) = begin().await;
    let mut count = FEW;
    let (begun, mut steps) = (Instant::now(), vec![json!([FEW, status_kib("RssAnon")])]);
    for look in LOOKS {
        // The client's own list of them is not to be taken for memory of the host.
        drop(fleet(&cloud, look - count, true).await);
        count = look;
        let kib = status_kib("RssAnon");
        println!("{look} suspended after {:.0} s: RssAnon {kib} KiB", begun.elapsed().as_secs_f64());
        steps.push(json!([look, kib]));
    }
    let many = Lists::of(&cloud, &format!("{ALL} suspended")).await;
    let many_resumed = resumes(&cloud, &first[0], &format!("{ALL} suspended")).await;
    json!({
        "suspended_and_rss_anon_kib": steps, "seconds": begun.elapsed().as_secs_f64(),
        "with_few": few, "with_all": many, "resume_with_few": few_resumed, "resume_with_all": many_resumed,
        "promised": "no memory of the host; the list flat",
    })
}

struct Lists;

impl Lists {
    /// The newest hundred, those from the middle of the ids on, and those of one status.
    async fn of(cloud: &Cloud, with: &str) -> Value {
        let (_, first) = cloud.get("/v1/agents?limit=100").await;
        let cursor = first["next"].as_str().map(|next| format!("&after={next}")).unwrap_or_default();
        json!({
            "newest": lists(cloud, &format!("list of 100, {with}"), "limit=100").await,
            "next_page": lists(cloud, &format!("  the page after it, {with}"), &format!("limit=100{cursor}")).await,
            "by_status": lists(cloud, &format!("  those suspended, {with}"), "limit=100&status=suspended").await,
        })
    }
}

async fn lists(cloud: &Cloud, what: &str, query: &str) -> Value {
    let mut took = Vec::new();
    for _ in 0..LISTS {
        let begun = Instant::now();
        let (status, body) = cloud.get(&format!("/v1/agents?{query}")).await;
        took.push(begun.elapsed());
        assert_eq!(status, StatusCode::OK, "{body}");
    }
    report(what, took, "flat")
}

async fn resumes(cloud: &Cloud, agent: &Agent, with: &str) -> Value {
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..RESUMES {
        let begun = Instant::now();
        post(cloud, agent, "resume", json!(null)).await;
        took.push(begun.elapsed());
        post(cloud, agent, "suspend", json!(null)).await;
    }
    report(&format!("resume request to running, {with}"), took, "-")
}

/// Rows up to [`ALL`], by the store's own way of making one.
async fn copies(cloud: &Cloud, real: &[Agent]) {
    let store = SqliteStore::open(&cloud.dir().join("api/claw.db")).unwrap();
    let mut models = Vec::new();
    for agent in real {
        models.push(store.agent(agent.id).await.unwrap().unwrap());
    }
    let rows = (0..ALL - SUSPENDED).map(|number| {
        let mut row = models[number % models.len()].clone();
        row.id = AgentId::new();
        store.create_agent(row, None)
    });
    let mut created = stream::iter(rows).buffer_unordered(AT_ONCE);
    while let Some(created) = created.next().await {
        assert!(matches!(created, Ok(Created::Created(_))), "{created:?}");
    }
}
