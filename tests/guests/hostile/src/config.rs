//! Which attack, from the spawn request's configuration.

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Computes for ever and never gives way.
    Loop,
    /// The same inside the start event.
    StartLoop,
    /// Computes for ever and gives way as it should: a busy neighbour.
    Spin,
    /// Reserves memory until that is refused.
    Memory,
    /// The same, and writes to every page.
    MemoryTouch,
    /// Writes to the terminal for ever.
    Flood,
    /// Writes to the log for ever.
    LogFlood,
    StdoutFlood,
    ScreenFlood,
    /// Panics.
    Trap,
    /// The same inside the start event.
    StartTrap,
    /// Panics when a sleep ends that was begun here, and goes on until then.
    TrapLater,
    /// Recurses for ever.
    Stack,
    /// Submits operations until one is refused.
    Operations,
    /// Opens files and keeps them open until that is refused.
    Handles,
    /// Fills the workspace with bytes until that is refused.
    Files,
    /// Fills the workspace with empty files until that is refused.
    FileCount,
    /// Writes a megabyte of numbered lines.
    Burst,
    /// Takes no event until Ctrl-C, then counts what was typed.
    Census,
    /// Asks for an address it has no grant for.
    Fetch,
    /// Sends a message to the agent that `to` names.
    Send,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) attack: Attack,
    /// Attack inside the start event, without waiting for input.
    pub(crate) at_start: bool,
    /// Whom to send a message to.
    pub(crate) to: String,
}

impl Config {
    /// Looks for the three fields; no more of JSON is needed here.
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        let json: String = json.split_whitespace().collect();
        let name = field(&json, "attack").unwrap_or_default();
        let attack = match name {
            "loop" => Attack::Loop,
            "start-loop" => Attack::StartLoop,
            "spin" => Attack::Spin,
            "memory" => Attack::Memory,
            "memory-touch" => Attack::MemoryTouch,
            "flood" => Attack::Flood,
            "log-flood" => Attack::LogFlood,
            "stdout-flood" => Attack::StdoutFlood,
            "screen-flood" => Attack::ScreenFlood,
            "trap" => Attack::Trap,
            "trap-later" => Attack::TrapLater,
            "start-trap" => Attack::StartTrap,
            "stack" => Attack::Stack,
            "operations" => Attack::Operations,
            "handles" => Attack::Handles,
            "files" => Attack::Files,
            "file-count" => Attack::FileCount,
            "burst" => Attack::Burst,
            "census" => Attack::Census,
            "fetch" => Attack::Fetch,
            "send" => Attack::Send,
            _ => return Err(format!("no such attack: {name:?}")),
        };
        let at_start =
            field(&json, "at") == Some("start") || matches!(attack, Attack::StartLoop | Attack::StartTrap);
        let to = field(&json, "to").unwrap_or_default().to_owned();
        Ok(Self { attack, at_start, to })
    }
}

fn field<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_by_name() {
        let config = Config::parse(r#"{ "attack": "log-flood" }"#).unwrap();
        assert_eq!(config, Config { attack: Attack::LogFlood, at_start: false, to: String::new() });
        let config = Config::parse(r#"{"at":"start","attack":"memory"}"#).unwrap();
        assert_eq!(config, Config { attack: Attack::Memory, at_start: true, to: String::new() });
        assert!(Config::parse(r#"{"attack":"start-trap"}"#).unwrap().at_start);
        assert!(Config::parse("null").is_err());
        assert!(Config::parse(r#"{"attack":"kindness"}"#).is_err());
    }
}
