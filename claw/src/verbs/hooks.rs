//! `claw hooks`.

use wire::{
    agent::Page,
    message::{Hook, HookRequest},
};

use crate::{
    cli::{Hooks, HooksVerb},
    client::Client,
    failure::Failure,
    output::{Output, ago},
};

/// Lists, makes and deletes an agent's webhooks.
pub(crate) async fn run(client: &Client, args: Hooks, out: Output) -> Result<(), Failure> {
    match args.verb {
        HooksVerb::Ls { agent } => {
            let page: Page<Hook> = client.get(&path(client, &agent).await?, &[]).await?;
            if out.json {
                return out.document(&page.data);
            }
            let row = |hook: &Hook| [hook.name.clone(), ago(hook.created_at)];
            out.table(["NAME", "AGE"], &page.data.iter().map(row).collect::<Vec<_>>())
        }
        HooksVerb::Create { agent, name } => {
            let hook: Hook = client.post(&path(client, &agent).await?, &[], &HookRequest { name }).await?;
            // The address alone, so that a script can keep it; it is shown this once.
            if out.json { out.document(&hook) } else { out.line(hook.url.as_deref().unwrap_or_default()) }
        }
        HooksVerb::Rm { agent, name } => {
            let path = format!("{}/{}", path(client, &agent).await?, segment(&name));
            client.delete(&path).await?;
            if out.json { out.document(&serde_json::json!({ "name": name })) } else { out.line(&name) }
        }
    }
}

async fn path(client: &Client, agent: &str) -> Result<String, Failure> {
    Ok(format!("/v1/agents/{}/hooks", client.agent(agent).await?.id))
}

/// A name as one segment of a path: whatever is not plain is escaped, `/` and `..` among it.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("ci-2_x~"), "ci-2_x~");
        assert_eq!(segment("a/b?c#d%e"), "a%2Fb%3Fc%23d%25e");
        assert_eq!(segment("../x"), "%2E%2E%2Fx");
        assert_eq!(segment("\u{e9}"), "%C3%A9");
    }
}
