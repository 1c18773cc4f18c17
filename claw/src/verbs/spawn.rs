//! `claw spawn`.

use std::{collections::BTreeMap, fs};

use wire::agent::{Limits, OnDrain, SpawnRequest, Spawned, Status};

use super::pair;
use crate::{
    attach,
    cli::{self, Attach, Spawn},
    client::{Client, check_live},
    failure::Failure,
    output::Output,
};

/// Spawns an agent, waits for it, and attaches when that was asked for.
pub(crate) async fn run(client: &Client, args: Spawn, out: Output) -> Result<(), Failure> {
    let mut headers = Vec::new();
    if !args.no_wait {
        headers.push(("prefer", format!("wait={}", args.wait)));
    }
    headers.extend(args.idempotency_key.clone().map(|key| ("idempotency-key", key)));
    let request = request(&args)?;
    let Spawned { agent, ticket } = client.post("/v1/agents/spawn", &headers, &request).await?;
    check_live(&agent)?;
    if !args.no_wait && agent.status != Status::Running {
        return Err(Failure::Timeout(format!(
            "{} is {} after {} s",
            agent.id,
            agent.status.as_str(),
            args.wait
        )));
    }
    if args.attach {
        let agent = agent.id.to_string();
        return attach::run(client, Attach { agent, view: false }, out).await;
    }
    if out.json {
        return out.document(&Spawned { agent, ticket });
    }
    out.table(
        ["ID", "NAME", "STATUS", "TERMINAL"],
        &[[agent.id.to_string(), agent.name, agent.status.as_str().to_owned(), agent.terminal_url]],
    )
}

fn request(args: &Spawn) -> Result<SpawnRequest, Failure> {
    let pairs = |option: &str, texts: &[String]| -> Result<BTreeMap<String, String>, Failure> {
        texts
            .iter()
            .map(|text| pair(option, text).map(|(key, value)| (key.to_owned(), value.to_owned())))
            .collect()
    };
    Ok(SpawnRequest {
        image: args.image.clone(),
        name: args.name.clone(),
        config: args.config.as_deref().map(config).transpose()?,
        env: pairs("--env", &args.env)?,
        limits: limits(args),
        max_lifetime_seconds: args.max_lifetime_seconds,
        idle_timeout_seconds: args.idle_timeout_seconds,
        send_to: args.send_to.clone(),
        egress: args.egress.clone(),
        on_drain: args.on_drain.map(|on_drain| match on_drain {
            cli::OnDrain::Restart => OnDrain::Restart,
            cli::OnDrain::Finish => OnDrain::Finish,
        }),
        metadata: pairs("--metadata", &args.metadata)?,
    })
}

fn limits(args: &Spawn) -> Option<Limits> {
    let default = Limits::default();
    let limits = Limits {
        memory_mib: args.memory_mib.unwrap_or(default.memory_mib),
        fuel_per_second: args.fuel_per_second.unwrap_or(default.fuel_per_second),
        disk_mib: args.disk_mib.unwrap_or(default.disk_mib),
        wall_seconds: args.wall_seconds.unwrap_or(default.wall_seconds),
    };
    (limits != default).then_some(limits)
}

fn config(text: &str) -> Result<serde_json::Value, Failure> {
    let text = match text.strip_prefix('@') {
        Some(file) => {
            fs::read_to_string(file).map_err(|source| Failure::File { path: file.into(), source })?
        }
        None => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| Failure::Usage(format!("--config is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use wire::message::Recipient;

    use super::*;
    use crate::{Cli, cli::Verb};

    fn parse(args: &[&str]) -> Result<SpawnRequest, Failure> {
        let Verb::Spawn(spawn) = Cli::parse_from(["claw", "spawn"].iter().chain(args)).verb else { panic!() };
        request(&spawn)
    }

    #[test]
    fn arguments_become_a_request() {
        let request =
            parse(&["hello", "-e", "A=b=c", "--memory-mib", "8", "--config", r#"{"x":1}"#]).unwrap();
        assert_eq!(request.image, "hello");
        assert_eq!(request.env["A"], "b=c");
        assert_eq!(request.limits, Some(Limits { memory_mib: 8, ..Limits::default() }));
        assert_eq!(request.config.unwrap()["x"], 1);
    }

    #[test]
    fn rest_recipients_and_drains_become_a_request() {
        let agent = wire::AgentId::new();
        let id = agent.to_string();
        let args =
            ["--idle-timeout-seconds", "60", "--send-to", &id, "--send-to", "tenant", "--on-drain", "finish"];
        let request = parse(&[&args[..], &["--egress", "POST@https://*.example.com:8443"]].concat()).unwrap();
        assert_eq!(request.egress[0].to_string(), "POST@https://*.example.com:8443");
        assert_eq!(request.idle_timeout_seconds, Some(60));
        assert_eq!(request.send_to, [Recipient::Agent(agent), Recipient::Tenant]);
        assert_eq!(request.on_drain, Some(OnDrain::Finish));
        for wrong in [
            ["--send-to", "everybody"],
            ["--egress", "https://*.com"],
            ["--on-drain", "explode"],
            ["--idle-timeout-seconds", "soon"],
        ] {
            assert!(Cli::try_parse_from(["claw", "spawn"].iter().chain(&wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_not_asked_for_is_left_to_the_cloud() {
        assert_eq!(
            parse(&[]).unwrap(),
            SpawnRequest { image: "shell".to_owned(), ..SpawnRequest::default() }
        );
        assert_eq!(parse(&["-e", "=x"]).unwrap_err().exit_code(), 2);
        assert_eq!(parse(&["--config", "{"]).unwrap_err().exit_code(), 2);
    }
}
