//! `claw images` and `claw hosts`.

use wire::{
    agent::Page,
    fleet::{Host, HostState},
    image::Image,
};

use crate::{
    client::Client,
    failure::Failure,
    output::{Output, span},
};

/// Lists what agents can be spawned from.
pub(crate) async fn images(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Image> = client.get("/v1/images", &[]).await?;
    if out.json {
        return out.document(&page.data);
    }
    let row = |image: &Image| {
        let size = format!("{} KiB", image.size_bytes / 1024);
        [image.name.clone(), size, image.digest.to_string(), image.description.clone()]
    };
    out.table(["NAME", "SIZE", "DIGEST", "DESCRIPTION"], &page.data.iter().map(row).collect::<Vec<_>>())
}

/// Lists hosts.
pub(crate) async fn hosts(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Host> = client.get("/v1/hosts", &[]).await?;
    if out.json {
        return out.document(&page.data);
    }
    let row = |host: &Host| {
        let state = match host.state {
            HostState::Active => "active",
            HostState::Draining => "draining",
            HostState::Dead => "dead",
        };
        [
            host.id.to_string(),
            state.to_owned(),
            format!("{}/{}", host.agents, host.capacity_agents),
            format!("{} MiB", host.memory_mib),
            format!("{:.1} s", host.lease_age_seconds),
            span(jiff::Timestamp::now().duration_since(host.registered_at).as_secs().max(0)),
            host.address.clone(),
        ]
    };
    let rows: Vec<_> = page.data.iter().map(row).collect();
    out.table(["ID", "STATE", "AGENTS", "MEMORY", "LEASE", "UP", "ADDRESS"], &rows)
}
