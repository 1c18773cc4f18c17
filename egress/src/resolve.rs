//! From a name to addresses that may be connected to, once for each request.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{
        ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
    },
    net::runtime::TokioRuntimeProvider,
    proto::rr::Name,
    system_conf::read_system_conf,
};
use ipnet::IpNet;
use url::Host;

use crate::{Failure, SetupError, address, check::Target};

/// A nameserver that says nothing for this long is asked again, or another one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest an answer is believed, whatever it says of itself: hosts move.
const LONGEST: Duration = Duration::from_secs(60);
/// The same of "there is no such name", which is often about to change.
const LONGEST_NO: Duration = Duration::from_secs(5);
/// Answers kept.
const ANSWERS: u64 = 1024;

/// Asks nameservers, and looks at what they say.
#[derive(Clone)]
pub(crate) struct Names {
    resolver: TokioResolver,
    allow: Arc<[IpNet]>,
}

impl Names {
    pub(crate) fn new(servers: &[SocketAddr], allow: Arc<[IpNet]>) -> Result<Self, SetupError> {
        let servers = if servers.is_empty() {
            let (config, _) = read_system_conf().map_err(|error| SetupError::Nameservers(Box::new(error)))?;
            config.into_parts().2
        } else {
            servers.iter().copied().map(server).collect()
        };
        // No domain and no search list: what an agent names is what is looked up, on every machine.
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options();
        let resolver = builder.build().map_err(|error| SetupError::Resolver(Box::new(error)))?;
        Ok(Self { resolver, allow })
    }

    /// Where to connect to, in the order to try. If one address of an answer is forbidden, none is tried: nobody
    /// has a public and a private address under one name, except to have the private one taken by mistake.
    pub(crate) async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let addresses = match &target.host {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => self.look_up(name).await?,
        };
        for address in &addresses {
            if let Some(reason) = address::refusal(*address, &self.allow) {
                return Err(Failure::ForbiddenAddress { host: target.host.to_string(), reason });
            }
        }
        Ok(in_turns(addresses).into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let none = || Failure::NoSuchHost(host.to_owned());
        let mut name = Name::from_ascii(host).map_err(|_| none())?;
        name.set_fqdn(true);
        let answer = self.resolver.lookup_ip(name).await.map_err(|error| {
            if error.is_nx_domain() || error.is_no_records_found() {
                none()
            } else {
                Failure::Lookup { host: host.to_owned(), source: Box::new(error) }
            }
        })?;
        let addresses: Vec<_> = answer.iter().collect();
        if addresses.is_empty() { Err(none()) } else { Ok(addresses) }
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = PATIENCE;
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    // The machine's own names are its own.
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = ANSWERS;
    options.positive_max_ttl = Some(LONGEST);
    options.negative_max_ttl = Some(LONGEST_NO);
    options
}

/// One of IPv6, one of IPv4, and so on, each kind as it came.
fn in_turns(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let count = addresses.len();
    let (six, four): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut turns = Vec::with_capacity(count);
    while turns.len() < count {
        turns.extend(six.next());
        turns.extend(four.next());
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_take_turns_and_none_is_lost() {
        let parse = |list: &str| list.split(' ').map(|a| a.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(in_turns(parse("1.1.1.1 1.1.1.2 1.1.1.3 ::1")), parse("::1 1.1.1.1 1.1.1.2 1.1.1.3"));
        assert_eq!(in_turns(parse("::1 ::2 ::3 1.1.1.1")), parse("::1 1.1.1.1 ::2 ::3"));
        assert!(in_turns(Vec::new()).is_empty());
    }
}
