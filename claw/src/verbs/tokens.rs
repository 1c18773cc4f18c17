//! `claw tokens`.

use wire::access::{CreatedToken, NewToken, Scope, Token};

use crate::{
    cli::{Tokens, TokensVerb},
    client::Client,
    failure::Failure,
    output::{Output, ago},
};

/// Most tokens listed.
const MAX: usize = 1000;

/// Lists, makes and revokes tokens.
pub(crate) async fn run(client: &Client, args: Tokens, out: Output) -> Result<(), Failure> {
    match args.verb.unwrap_or(TokensVerb::Ls) {
        TokensVerb::Ls => list(client, out).await,
        TokensVerb::Create { name, scopes, expires_in } => {
            let scopes = scopes.iter().map(|scope| parse(scope)).collect::<Result<Vec<_>, _>>()?;
            let default = || Scope::ALL.into_iter().filter(|scope| *scope != Scope::Operator).collect();
            let scopes = if scopes.is_empty() { default() } else { scopes };
            let new = NewToken { name, scopes, expires_in_seconds: expires_in };
            let token: CreatedToken = client.post("/v1/tokens", &[], &new).await?;
            // The secret alone, so that a script can keep it; it is shown this once.
            if out.json { out.document(&token) } else { out.line(&token.secret) }
        }
        TokensVerb::Rm { id } => {
            client.delete(&format!("/v1/tokens/{id}")).await?;
            if out.json { out.document(&serde_json::json!({ "id": id })) } else { out.line(&id.to_string()) }
        }
    }
}

async fn list(client: &Client, out: Output) -> Result<(), Failure> {
    let page: wire::agent::Page<Token> = client.get("/v1/tokens", &[]).await?;
    let tokens: Vec<Token> = page.data.into_iter().take(MAX).collect();
    if out.json {
        return out.document(&tokens);
    }
    let row = |token: &Token| {
        let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let expires = token.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        [token.id.to_string(), token.name.clone(), ago(token.created_at), expires, scopes.join(" ")]
    };
    out.table(["ID", "NAME", "AGE", "EXPIRES", "SCOPES"], &tokens.iter().map(row).collect::<Vec<_>>())
}

fn parse(name: &str) -> Result<Scope, Failure> {
    let known = || Scope::ALL.map(Scope::as_str).join(", ");
    let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
    scope.ok_or_else(|| Failure::Usage(format!("no scope {name}; there are: {}", known())))
}
