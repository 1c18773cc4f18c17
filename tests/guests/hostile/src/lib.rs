//! Agents that misbehave in one way each, for the tests of the host.
//!
//! The configuration chooses: `{"attack":"loop"}`, see [`Attack`]. An agent prints `ready`, attacks at its
//! first input (or at once with `"at":"start"`), prints what the host refused (or `not refused`, after
//! far more than any limit), and while it lives answers every further input with `alive`, on its terminal and in its log.

mod attacks;
mod config;

use config::{Attack, Config};

agent::main!(hostile);

async fn hostile(start: agent::Start) -> Result<(), String> {
    let config = Config::parse(&start.config)?;
    agent::println!("ready");
    if !config.at_start {
        agent::next_input().await;
    }
    attack(config.attack, &config.to).await;
    loop {
        agent::next_input().await;
        agent::println!("alive");
        agent::log::info!("alive");
    }
}

async fn attack(attack: Attack, to: &str) {
    match attack {
        Attack::Loop | Attack::StartLoop => attacks::endless(),
        Attack::Spin => attacks::spin().await,
        Attack::Memory => attacks::memory(false),
        Attack::MemoryTouch => attacks::memory(true),
        Attack::Flood => attacks::flood(),
        Attack::LogFlood => attacks::log_flood(),
        Attack::StdoutFlood => attacks::stdout_flood(),
        Attack::ScreenFlood => attacks::screen_flood(),
        Attack::Trap | Attack::StartTrap => attacks::trap(),
        Attack::TrapLater => attacks::trap_later(),
        Attack::Stack => attacks::stack(),
        Attack::Operations => attacks::operations().await,
        Attack::Handles => attacks::handles(),
        Attack::Files => attacks::files(),
        Attack::FileCount => attacks::file_count(),
        Attack::Burst => attacks::burst(),
        Attack::Census => attacks::census().await,
        Attack::Fetch => attacks::fetch().await,
        Attack::Send => attacks::send(to).await,
    }
}

#[cfg(test)]
mod tests {
    use agent::testing::FakeHost;
    use agent::types::{Next, Refusal, RefusalCode};

    use super::hostile;

    #[test]
    fn it_waits_for_input_and_tells_what_was_refused() {
        let mut host = FakeHost::new();
        host.refuse_operations(Some(Refusal {
            code: RefusalCode::LimitExceeded,
            reason: "enough".to_owned(),
        }));
        host.start_with(r#"{"attack":"operations"}"#, hostile);
        assert_eq!(host.text(), "ready\r\n");
        host.input("x");
        assert_eq!(host.text(), "ready\r\nrefused at 0 operations: refused: enough\r\n");
        host.input("x");
        assert!(host.text().ends_with("alive\r\n"));
    }

    #[test]
    fn a_spinning_agent_gives_way() {
        let mut host = FakeHost::new();
        host.set_turns(1);
        assert_eq!(host.start_with(r#"{"attack":"spin","at":"start"}"#, hostile), Next::Again);
    }

    #[test]
    fn an_unknown_attack_fails_the_start() {
        let mut host = FakeHost::new();
        host.start_with("{}", hostile);
        assert_eq!(host.faults(), ["no such attack: \"\""]);
    }
}
