//! Kills at every named place of the code, each under load.

use std::sync::Arc;

use cloud_tests::{Client, cloud::PATIENCE};
use points::{Point, arm};
use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use tokio::{sync::watch, time::timeout};
use wire::{
    access::Role,
    agent::{Agent, Status},
    terminal::From,
};

use super::{
    Plan,
    load::{Load, stand},
    model::Subject,
    oracle,
    world::World,
};

/// Kills at each point.
const ROUNDS: usize = 2;
/// Messages that are acknowledged before and after each.
const SOME: u64 = 3;

/// What leads to a point, besides the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing: clients come there all the time.
    Load,
    /// A suspend, and the next thing that a client does wakes the agent.
    Suspend,
    /// A request for forks.
    Fork,
    /// Another agent sends this one a message.
    Letter,
}

/// Every point has its way: a new one is not compiled without.
fn way(point: Point) -> Way {
    match point {
        Point::BeforePacks
        | Point::AfterPacks
        | Point::Recorded
        | Point::Answered
        | Point::Delivered
        | Point::Untold
        | Point::Applied
        | Point::Written => Way::Load,
        Point::AfterLastPacks | Point::Suspended | Point::Placed | Point::Restored | Point::Unsettled => {
            Way::Suspend
        }
        Point::Forked => Way::Fork,
        Point::Sent | Point::Left => Way::Letter,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_named_point_a_kill_loses_nothing() {
    let plan = Plan::new(0x5eed_0005, 0);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut world = World::one().await;
    for point in Point::ALL {
        kill_at(&mut world, *point, &mut random).await;
    }
}

async fn kill_at(world: &mut World, point: Point, random: &mut StdRng) {
    let client = world.client();
    let agent = client.spawn(json!({ "image": "machine" })).await;
    let (acknowledged, mut count) = watch::channel(0);
    let subjects = [Subject::new(agent, Arc::new(acknowledged))];
    let subject = &subjects[0];
    let way = way(point);
    let load = Load::begin(&client, &subjects, random);
    for _ in 0..ROUNDS {
        let writer = if way == Way::Letter { Some(writer(&client, &subject.agent).await) } else { None };
        go_on(&client, &subjects, &mut count).await;
        let armed = arm(point, writer.as_ref().unwrap_or(&subject.agent).id);
        let reached = async {
            tokio::join!(armed.reached(), lead(&client, subject, way, writer.as_ref()));
        };
        let reached = timeout(PATIENCE, reached).await.is_ok();
        assert!(reached, "{point:?} is never reached: {}", stand(&client, &subjects).await);
        world.kill_all().await;
        if let Some(writer) = &writer {
            sent_once(&client, writer).await;
            subject.acknowledge(|model| model.letters += 1);
        }
    }
    go_on(&client, &subjects, &mut count).await;
    load.end(&client, &subjects).await;
    world.kill_all().await;
    eprintln!("{point:?}");
    oracle::judge(&client, subject).await;
    // Its slot is for the next.
    client.end(&subject.agent).await;
}

/// Waits until the load has done something more, of each kind.
async fn go_on(client: &Client, subjects: &[Arc<Subject>; 1], count: &mut watch::Receiver<u64>) {
    let done = || {
        let model = subjects[0].model();
        (model.messages, model.durable, model.files.iter().flatten().max().copied())
    };
    let before = done();
    let more = |_: &u64| {
        let now = done();
        now.0 > before.0 + SOME && now.1 > before.1 && now.2 > before.2
    };
    let goes_on = timeout(PATIENCE, count.wait_for(more)).await.is_ok();
    assert!(goes_on, "nothing is acknowledged any more: {}", stand(client, subjects).await);
}

/// Leads to the point; what is not answered because of it is not waited for.
async fn lead(client: &Client, subject: &Subject, way: Way, writer: Option<&Agent>) {
    let post = |verb: &str, body| {
        let sending = client.request(Method::POST, &subject.path(verb)).json(&body).send();
        tokio::spawn(async move { drop(sending.await) });
    };
    match way {
        Way::Load => {}
        Way::Suspend => post("suspend", json!(null)),
        Way::Fork => post("forks", json!({ "count": 2 })),
        Way::Letter => {
            let mut terminal = client.terminal(writer.unwrap()).await;
            terminal.wait_line("ready").await;
            terminal.keys("x").await;
        }
    }
}

/// An agent that sends this one a message when it is told to.
async fn writer(client: &Client, to: &Agent) -> Agent {
    let config = json!({ "attack": "send", "to": to.id });
    client.spawn(json!({ "image": "hostile", "config": config, "send_to": [to.id] })).await
}

/// The agent that sent a message learns that it did, once.
async fn sent_once(client: &Client, writer: &Agent) {
    client.wait_within(oracle::PATIENCE, writer, |now| now.status == Status::Running).await;
    let terminal = client.terminal(writer).await;
    let mut history = client.socket(writer, Role::Viewer).await;
    history.attach_at(From::Position { generation: terminal.position.0, offset: 0 }, None).await;
    let text = |now: &cloud_tests::Terminal| String::from_utf8_lossy(&now.data).into_owned();
    history.wait_for("the outcome", |now| text(now).contains("sent")).await;
    let text = text(&history);
    assert!(text.matches("sent").count() == 1 && text.contains("sent msg_"), "{text}");
}
