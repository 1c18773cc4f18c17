//! The `config` of the spawn request.

/// What a shell agent can be told at its start. What it does not know it ignores: the same config may be
/// meant for a newer one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// A script that runs before the first prompt.
    pub(super) run: Option<String>,
    /// Text shown before anything else.
    pub(super) motd: Option<String>,
}

impl Config {
    /// From JSON: an object, or `null`.
    ///
    /// # Errors
    /// It is neither, or a member is no text.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_str(json).map_err(|error| format!("config is no JSON: {error}"))?;
        let object = match &value {
            serde_json::Value::Null => return Ok(Self::default()),
            serde_json::Value::Object(object) => object,
            _ => return Err("config is no JSON object".to_owned()),
        };
        let text = |name: &str| match object.get(name) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("config: `{name}` is no text")),
        };
        Ok(Self { run: text("run")?, motd: text("motd")? })
    }
}
