//! Who may open a socket.

use cloud_tests::{Cloud, Terminal, cloud::Setup};
use tokio_tungstenite::tungstenite::Error;
use wire::{
    AgentId,
    access::{Role, Ticket},
    terminal::{PROTOCOL, TICKET_PREFIX, close},
};

use super::{hello, with_token};

async fn open(cloud: &Cloud, ticket: &Ticket) -> Terminal {
    Terminal::connect(&ticket.url, &ticket.protocols, Some(&cloud.url)).await.unwrap()
}

/// A page of any other origin, or what is no page, is refused in HTTP.
async fn assert_only_for_pages_of_this_cloud(ticket: &Ticket) {
    for origin in [Some("https://example.com"), Some("null"), None] {
        match Terminal::connect(&ticket.url, &ticket.protocols, origin).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 403, "{origin:?}"),
            other => panic!("{origin:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_ticket_opens_one_socket_to_its_own_agent() {
    let cloud = Cloud::start().await;
    let (agent, other) = (hello(&cloud).await, hello(&cloud).await);
    let mut ticket = cloud.ticket(&agent, Role::Operator).await;
    let (right, wrong) = (ticket.url.clone(), cloud.ticket(&other, Role::Operator).await.url);
    ticket.url = wrong;
    assert_eq!(open(&cloud, &ticket).await.wait_close().await, close::TICKET, "another agent's");
    ticket.url = right;
    let mut terminal = open(&cloud, &ticket).await;
    terminal.attach("mine").await;
    assert_eq!(open(&cloud, &ticket).await.wait_close().await, close::TICKET, "used");
    terminal.run("unharmed").await;
    terminal.wait_line("You said: unharmed").await;
}

#[tokio::test]
async fn what_is_no_ticket_opens_nothing() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let ticket = cloud.ticket(&agent, Role::Viewer).await;
    let good = ticket.protocols[1].strip_prefix(TICKET_PREFIX).unwrap();
    // Another character in the middle: a claim or the signature is no longer what was signed.
    let middle = good.len() / 2;
    let other = if good.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let forged = format!("{}{other}{}", &good[..middle], &good[middle + 1..]);
    for text in [forged.as_str(), "", "!!!", "djQucHVibGljLkFBQUE", &"A".repeat(2000)] {
        let mut ticket = ticket.clone();
        ticket.protocols = vec![PROTOCOL.to_owned(), format!("{TICKET_PREFIX}{text}")];
        assert_eq!(open(&cloud, &ticket).await.wait_close().await, close::TICKET, "{text}");
    }
    // None of the attempts used the real one up.
    open(&cloud, &ticket).await.attach("mine").await;
}

#[tokio::test]
async fn a_ticket_is_only_for_pages_of_this_cloud() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let ticket = cloud.ticket(&agent, Role::Operator).await;
    assert_only_for_pages_of_this_cloud(&ticket).await;
    open(&cloud, &ticket).await.attach("mine").await;
}

#[tokio::test]
async fn a_token_opens_sockets_too_but_not_to_agents_there_are_not() {
    let cloud = Cloud::start().await;
    let agent = hello(&cloud).await;
    let mut terminal = Terminal::open(with_token(&cloud, agent.id)).await.unwrap();
    terminal.attach("mine").await;
    terminal.run("by token").await;
    terminal.wait_line("You said: by token").await;
    let mut unknown = Terminal::open(with_token(&cloud, AgentId::new())).await.unwrap();
    assert_eq!(unknown.wait_close().await, close::UNKNOWN);
    let mut request = with_token(&cloud, agent.id);
    request.headers_mut().insert("authorization", "Bearer claw_live_no_such".parse().unwrap());
    assert_eq!(Terminal::open(request).await.unwrap().wait_close().await, close::TICKET);
}

#[tokio::test]
async fn a_reachable_host_takes_tickets_itself() {
    let cloud = Cloud::with(Setup { direct: true, ..Setup::default() }).await;
    let (agent, other) = (hello(&cloud).await, hello(&cloud).await);
    let ticket = cloud.ticket(&agent, Role::Operator).await;
    assert!(ticket.url.starts_with(&format!("ws://{}/", cloud.host_address)), "{}", ticket.url);
    // None of these uses the ticket up.
    assert_only_for_pages_of_this_cloud(&ticket).await;
    let mut terminal = open(&cloud, &ticket).await;
    terminal.attach("mine").await;
    terminal.run("directly").await;
    terminal.wait_line("You said: directly").await;
    assert_eq!(open(&cloud, &ticket).await.wait_close().await, close::TICKET, "used");
    let mut astray = cloud.ticket(&agent, Role::Operator).await;
    astray.url = cloud.ticket(&other, Role::Operator).await.url;
    assert_eq!(open(&cloud, &astray).await.wait_close().await, close::TICKET, "another agent's");
    // The host's credential is not to be had with a ticket.
    let listing = format!("http://{}/wire/v1/agents/{}/files", cloud.host_address, agent.id);
    assert_eq!(reqwest::get(listing).await.unwrap().status(), 401);
}
