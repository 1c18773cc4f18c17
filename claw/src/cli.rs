//! The command line: every verb, option and default, and nothing that acts.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use wire::checkpoint::{ForkFrom, MAX_FORKS};

use crate::{failure::Failure, output::Output};

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   failed; also: the agent ended by a fault
  2   wrong usage
  3   not found
  4   not signed in, or the token lacks the scope
  5   refused: not valid, not legal now, or over a quota
  65  a data directory or component is damaged
  69  the cloud cannot be reached
  70  a fault of claw itself, or of the cloud
  71  the machine cannot give what is needed
  73  a data directory cannot be made
  74  reading or writing failed
  75  in use, full or over a rate: try again later
  77  no permission
  130 ended by a second Ctrl-C

Where the cloud is, in this order: --url or CLAW_URL with CLAW_TOKEN or --token-file; the profile named by
--profile or CLAW_PROFILE; the cloud `claw up` runs in .claw here or in a directory above; the profile
`default`; the cloud in $XDG_DATA_HOME/claw. Profiles are in ~/.config/claw/config.toml:

  [profiles.default]
  url = \"http://cloud.example.net\"
  token_file = \"/path/to/token\"";

/// Runs AI agents as WebAssembly components, each with a live terminal.
#[derive(Debug, Parser)]
#[command(name = "claw", version, about, after_long_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Address of the cloud
    #[arg(long, global = true, env = "CLAW_URL", value_name = "URL", help_heading = "Cloud")]
    pub(crate) url: Option<String>,
    // Only from the environment: an argument could be read by every user of the machine.
    #[arg(long, global = true, env = "CLAW_TOKEN", hide = true, hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// File that holds the token (or CLAW_TOKEN)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cloud")]
    pub(crate) token_file: Option<PathBuf>,
    /// Profile of the configuration file
    #[arg(long, global = true, env = "CLAW_PROFILE", value_name = "NAME", help_heading = "Cloud")]
    pub(crate) profile: Option<String>,
    /// Configuration file [default: ~/.config/claw/config.toml]
    // Not `--config`: that one is `spawn`'s, and global options share their names with every verb's.
    #[arg(long, global = true, env = "CLAW_CONFIG", value_name = "FILE", help_heading = "Cloud")]
    pub(crate) config_file: Option<PathBuf>,
    /// What is logged, such as `info` or `host=debug,api=info`
    #[arg(long, global = true, env = "CLAW_LOG", value_name = "FILTER", help_heading = "Logs")]
    pub(crate) log: Option<String>,
    /// How it is logged
    #[arg(
        long,
        global = true,
        env = "CLAW_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Logs"
    )]
    pub(crate) log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the whole cloud on this machine
    Up(Up),
    /// Run the control plane
    Api(Api),
    /// Run a host of agents
    Host(Host),
    /// Print a host's credential, made from the keys of an API's data directory
    HostCredential(HostCredential),
    /// Spawn an agent
    Spawn(Spawn),
    /// List agents
    #[command(visible_alias = "list")]
    Ls(Ls),
    /// Show an agent
    Get(Get),
    /// Attach to an agent's terminal; Ctrl-P Ctrl-Q detaches
    Attach(Attach),
    /// Show an agent's log
    Logs(Logs),
    /// Suspend an agent: a checkpoint and no memory, until something wakes it
    Suspend(OneAgent),
    /// Bring a suspended agent back
    Resume(OneAgent),
    /// Take a checkpoint that is kept until it is deleted
    Checkpoint(CheckpointNow),
    /// List an agent's checkpoints
    Checkpoints(Checkpoints),
    /// Delete checkpoints
    CheckpointRm(CheckpointRm),
    /// Take an agent back to one of its checkpoints
    Restore(Restore),
    /// Make running copies of an agent
    Fork(Fork),
    /// Send an agent a message
    Send(Send),
    /// List, make and delete an agent's webhooks
    Hooks(Hooks),
    /// Give a running agent another version of its image, which takes over its state
    Upgrade(Upgrade),
    /// End agents and remove their files
    #[command(visible_alias = "delete")]
    Rm(Rm),
    /// List, make and revoke tokens
    Tokens(Tokens),
    /// List what agents can be spawned from
    Images,
    /// List hosts
    Hosts,
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where checkpoints are kept: file:///DIR or s3://BUCKET/PREFIX [default: in the data directory]
    #[arg(long, value_name = "URL", env = "CLAW_STORE")]
    pub(crate) store: Option<String>,
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7300")]
    pub(crate) listen: SocketAddr,
    /// Where everything durable is kept
    #[arg(long, value_name = "DIR", default_value = ".claw")]
    pub(crate) data: PathBuf,
    /// Do not spawn an agent to look at
    #[arg(long)]
    pub(crate) no_demo: bool,
    /// Open the agent's terminal in the browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Address clients reach this cloud at, when it is another
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// More origins whose pages may use this cloud
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    #[command(flatten)]
    pub(crate) hosting: Hosting,
}

/// What a host offers and takes, alone or as a part of `up`.
#[derive(Debug, Args)]
pub(crate) struct Hosting {
    /// Offer a component under a name; repeatable
    #[arg(long = "image", value_name = "NAME=FILE")]
    pub(crate) images: Vec<String>,
    /// Most agents this host takes
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_agents: u32,
    /// Memory beyond which idle agents are suspended, MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) memory_limit_mib: Option<u64>,
    /// A private network that agents may be granted requests to, such as `10.1.0.0/16`; repeatable [default: none]
    #[arg(long, value_name = "CIDR")]
    pub(crate) egress_allow: Vec<ipnet::IpNet>,
}

#[derive(Debug, Args)]
pub(crate) struct Api {
    /// Where checkpoints are kept: file:///DIR or s3://BUCKET/PREFIX [default: in the data directory]
    #[arg(long, value_name = "URL", env = "CLAW_STORE")]
    pub(crate) store: Option<String>,
    /// Address to serve on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7300")]
    pub(crate) listen: SocketAddr,
    /// Where its store and keys are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Address clients reach it at [default: the one it serves on]
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// More origins whose pages may use it
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// Send clients to the hosts that have a public address
    #[arg(long)]
    pub(crate) direct_hosts: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Host {
    /// Where checkpoints are kept, the same as the API's: file:///DIR or s3://BUCKET/PREFIX
    #[arg(long, value_name = "URL", env = "CLAW_STORE")]
    pub(crate) store: String,
    /// Address of the API
    #[arg(long, value_name = "URL")]
    pub(crate) api: String,
    /// Address to serve on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where its id, images and workspaces are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// File that holds its credential (see `claw host-credential`)
    #[arg(long, value_name = "FILE")]
    pub(crate) credential_file: PathBuf,
    /// Address the API reaches it at [default: the one it serves on]
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
    /// Address clients reach it at, such as wss://h7.example.net
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    #[command(flatten)]
    pub(crate) hosting: Hosting,
}

#[derive(Debug, Args)]
pub(crate) struct HostCredential {
    /// The API's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The host's id
    #[arg(long, value_name = "HOST", conflicts_with = "host_data")]
    pub(crate) id: Option<wire::HostId>,
    /// The host's data directory, which keeps its id
    #[arg(long, value_name = "DIR")]
    pub(crate) host_data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Spawn {
    /// Name or digest of the image
    #[arg(default_value = "shell")]
    pub(crate) image: String,
    /// Name of the agent
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// JSON for the agent, or @ and a file of it
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) config: Option<String>,
    /// Environment variable of the agent; repeatable
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Pair of your own; repeatable
    #[arg(long = "metadata", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Memory, MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) memory_mib: Option<u32>,
    /// Workspace, MiB
    #[arg(long, value_name = "MIB")]
    pub(crate) disk_mib: Option<u32>,
    /// Instructions a second
    #[arg(long, value_name = "N")]
    pub(crate) fuel_per_second: Option<u64>,
    /// Longest wall time of one event, seconds; 0 is no limit
    #[arg(long, value_name = "SECONDS")]
    pub(crate) wall_seconds: Option<u32>,
    /// End it after this long
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_lifetime_seconds: Option<u32>,
    /// Suspend it after this long without an event
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_timeout_seconds: Option<u32>,
    /// Whom it may send messages to: `tenant`, which is everybody, or an agent's id; repeatable [default: nobody]
    #[arg(long, value_name = "WHOM", value_parser = recipient)]
    pub(crate) send_to: Vec<wire::message::Recipient>,
    /// Where it may send requests to, such as `https://api.example.com`, `POST,GET@https://*.example.com:8443`;
    /// repeatable [default: nowhere; methods: GET and HEAD]
    #[arg(long, value_name = "RULE")]
    pub(crate) egress: Vec<wire::egress::Rule>,
    /// What a planned stop of its host does to it when it cannot be suspended [default: restart]
    #[arg(long, value_name = "WHAT")]
    pub(crate) on_drain: Option<OnDrain>,
    /// Make it at most once: the same key gives the same agent
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Wait until it runs, at most this many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        // `--wait` alone is the default said aloud; with a space the next argument would be taken for its value.
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=60)
    )]
    pub(crate) wait: u64,
    /// Do not wait
    #[arg(long, conflicts_with_all = ["wait", "attach"])]
    pub(crate) no_wait: bool,
    /// Attach to its terminal
    #[arg(long, short = 'a')]
    pub(crate) attach: bool,
}

/// [`wire::agent::OnDrain`], as an argument gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnDrain {
    /// It starts anew on another host, over its files and screen
    Restart,
    /// It may go on until the host's grace is over, and is not started again
    Finish,
}

fn recipient(text: &str) -> Result<wire::message::Recipient, &'static str> {
    match (text, text.parse()) {
        ("tenant", _) => Ok(wire::message::Recipient::Tenant),
        (_, Ok(agent)) => Ok(wire::message::Recipient::Agent(agent)),
        _ => Err("expected `tenant` or an agent's id"),
    }
}

fn fork_from(text: &str) -> Result<ForkFrom, &'static str> {
    match (text, text.parse()) {
        ("now", _) => Ok(ForkFrom::Now),
        ("latest", _) => Ok(ForkFrom::Latest),
        (_, Ok(checkpoint)) => Ok(ForkFrom::Checkpoint(checkpoint)),
        _ => Err("expected `now`, `latest` or a checkpoint's id"),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Ended ones too
    #[arg(long, short = 'a')]
    pub(crate) all: bool,
    /// Only these statuses, separated by commas
    #[arg(long, conflicts_with = "all")]
    pub(crate) status: Option<String>,
    /// Only agents of this name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only agents with this pair; repeatable
    #[arg(long = "metadata", value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Most agents shown
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Only ids, one a line
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Id or name of the agent
    pub(crate) agent: String,
    /// Wait until it has this status
    #[arg(long, value_name = "STATUS")]
    pub(crate) wait_for: Option<String>,
    /// Longest wait, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Id or name of the agent
    pub(crate) agent: String,
    /// Only look
    #[arg(long)]
    pub(crate) view: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Id or name of the agent
    pub(crate) agent: String,
    /// Wait for more
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
    /// Only this level and worse: trace, debug, info, warn, error
    #[arg(long)]
    pub(crate) level: Option<String>,
    /// Only entries after this number
    #[arg(long, value_name = "SEQ")]
    pub(crate) after: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct OneAgent {
    /// Id or name of an agent
    pub(crate) agent: String,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointNow {
    /// Id or name of an agent
    pub(crate) agent: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Checkpoints {
    /// Id or name of an agent
    pub(crate) agent: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointRm {
    /// Ids of checkpoints
    #[arg(required = true)]
    pub(crate) checkpoints: Vec<wire::CheckpointId>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Id or name of an agent
    pub(crate) agent: String,
    /// One of its checkpoints
    pub(crate) checkpoint: wire::CheckpointId,
}

#[derive(Debug, Args)]
pub(crate) struct Fork {
    /// Id or name of an agent
    pub(crate) agent: String,
    /// How many copies, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_FORKS)))]
    pub(crate) count: u32,
    /// From where: now, latest, or a checkpoint's id
    #[arg(long, value_name = "FROM", default_value = "now", value_parser = fork_from)]
    pub(crate) from: ForkFrom,
    /// Their name [default: made up]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Id or name of an agent
    pub(crate) agent: String,
    /// The message; - reads it from standard input
    #[arg(default_value = "-")]
    pub(crate) message: String,
    /// What it is
    #[arg(long, value_name = "TYPE", default_value = "text/plain")]
    pub(crate) content_type: String,
    /// Sent again with the same key it is one message
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Hooks {
    #[command(subcommand)]
    pub(crate) verb: HooksVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HooksVerb {
    /// List an agent's webhooks
    Ls {
        /// Id or name of an agent
        agent: String,
    },
    /// Make a webhook; its address, which is the secret, is shown once
    Create {
        /// Id or name of an agent
        agent: String,
        /// What the agent is told as the sender
        name: String,
    },
    /// Delete a webhook
    Rm {
        /// Id or name of an agent
        agent: String,
        /// Which
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// Id or name of an agent
    pub(crate) agent: String,
    /// Name or digest of the other version
    pub(crate) image: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Ids or names of agents
    #[arg(required = true)]
    pub(crate) agents: Vec<String>,
    /// Wait until they ended, at most this many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=60)
    )]
    pub(crate) wait: u64,
    /// Do not wait
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    pub(crate) verb: Option<TokensVerb>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensVerb {
    /// List tokens
    Ls,
    /// Make a token; its secret is shown once
    Create {
        /// What it is for
        name: String,
        /// What it may do, such as agents:read; repeatable [default: everything but operator]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Seconds until it stops working
        #[arg(long, value_name = "SECONDS")]
        expires_in: Option<u32>,
    },
    /// Revoke a token
    Rm {
        /// Which
        id: wire::TokenId,
    },
}

/// Prints completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell, out: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "claw", &mut script);
    out.bytes(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn spawn_takes_the_shell_when_no_image_is_named() {
        let Verb::Spawn(spawn) = Cli::parse_from(["claw", "spawn", "--attach"]).verb else { panic!() };
        assert_eq!((spawn.image.as_str(), spawn.wait, spawn.attach), ("shell", 30, true));
    }

    #[test]
    fn wait_takes_its_number_after_an_equals_sign_or_none() {
        let Verb::Spawn(spawn) = Cli::parse_from(["claw", "spawn", "--wait", "hello"]).verb else { panic!() };
        assert_eq!((spawn.image.as_str(), spawn.wait), ("hello", 30));
        let Verb::Rm(rm) = Cli::parse_from(["claw", "rm", "--wait=5", "a"]).verb else { panic!() };
        assert_eq!((rm.agents, rm.wait), (vec!["a".to_owned()], 5));
        let Verb::Rm(rm) = Cli::parse_from(["claw", "rm", "--wait", "5"]).verb else { panic!() };
        assert_eq!((rm.agents, rm.wait), (vec!["5".to_owned()], 30));
        assert!(Cli::try_parse_from(["claw", "spawn", "--wait=0"]).is_err());
        assert!(Cli::try_parse_from(["claw", "spawn", "--wait", "--no-wait"]).is_err());
    }

    #[test]
    fn a_fork_is_one_from_now_unless_more_is_said() {
        let parse = |args: &[&str]| Cli::try_parse_from(["claw", "fork", "a"].iter().chain(args));
        let Verb::Fork(fork) = parse(&[]).unwrap().verb else { panic!() };
        assert_eq!((fork.count, fork.from, fork.name), (1, ForkFrom::Now, None));
        let id = wire::CheckpointId::new();
        let from = id.to_string();
        let Verb::Fork(fork) = parse(&["--count", "100", "--from", &from, "--name", "b"]).unwrap().verb
        else {
            panic!()
        };
        assert_eq!((fork.count, fork.from), (100, ForkFrom::Checkpoint(id)));
        for wrong in [["--count", "0"], ["--count", "101"], ["--from", "yesterday"], ["--from", "agt_1"]] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_message_comes_from_standard_input_when_none_is_given() {
        let Verb::Send(send) = Cli::parse_from(["claw", "send", "a"]).verb else { panic!() };
        assert_eq!((send.message.as_str(), send.content_type.as_str()), ("-", "text/plain"));
        let Verb::Send(send) = Cli::parse_from(["claw", "send", "a", "--", "-x"]).verb else { panic!() };
        assert_eq!(send.message, "-x");
    }

    #[test]
    fn webhooks_and_checkpoints_are_named_by_what_they_belong_to() {
        let Verb::Hooks(hooks) = Cli::parse_from(["claw", "hooks", "create", "a", "ci"]).verb else {
            panic!()
        };
        assert!(matches!(hooks.verb, HooksVerb::Create { agent, name } if agent == "a" && name == "ci"));
        assert!(Cli::try_parse_from(["claw", "hooks"]).is_err(), "there is no list of every agent's");
        let (one, two) = (wire::CheckpointId::new(), wire::CheckpointId::new());
        let args = ["claw", "checkpoint-rm", &one.to_string(), &two.to_string()];
        let Verb::CheckpointRm(rm) = Cli::parse_from(args).verb else { panic!() };
        assert_eq!(rm.checkpoints, [one, two]);
        assert!(Cli::try_parse_from(["claw", "checkpoint-rm", "latest"]).is_err());
    }

    #[test]
    fn completions_know_every_verb() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "claw", &mut script);
        let script = String::from_utf8(script).unwrap();
        for verb in Cli::command().get_subcommands() {
            assert!(script.contains(verb.get_name()), "{}", verb.get_name());
        }
    }
}
