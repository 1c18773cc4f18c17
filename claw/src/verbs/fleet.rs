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
        [image.name.clone(), size, suspendable(image), image.digest.to_string(), image.description.clone()]
    };
    out.table(
        ["NAME", "SIZE", "SUSPENDABLE", "DIGEST", "DESCRIPTION"],
        &page.data.iter().map(row).collect::<Vec<_>>(),
    )
}

/// Whether an image's agents can be suspended, or why they cannot.
fn suspendable(image: &Image) -> String {
    match (image.suspendable, &image.not_suspendable) {
        (true, _) => "yes".to_owned(),
        (false, Some(why)) => format!("no: {why}"),
        (false, None) => "no".to_owned(),
    }
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

#[cfg(test)]
mod tests {
    #[test]
    fn an_image_says_why_its_agents_cannot_be_suspended() {
        let image = |suspendable: bool, why: Option<&str>| {
            let image = serde_json::json!({
                "digest": format!("sha256:{}", "0".repeat(64)), "name": "a", "size_bytes": 1, "imports": [],
                "suspendable": suspendable, "not_suspendable": why,
            });
            super::suspendable(&serde_json::from_value(image).unwrap())
        };
        assert_eq!(image(true, None), "yes");
        assert_eq!(image(false, Some("shared memory")), "no: shared memory");
        assert_eq!(image(false, None), "no");
    }
}
