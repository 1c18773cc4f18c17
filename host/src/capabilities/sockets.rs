//! `wasi:sockets`, for language runtimes that import it whether they use it or not: every way to a socket or to a name
//! is answered with `access-denied`. What an agent may reach it reaches by `openclaw:agent/operations`.
//!
//! A component can hold a `network` alone, which stands for nothing; C libraries keep one from their first lookup on,
//! so it survives a suspend as other handles do. No socket and no lookup ever begins: what works on one is linked for
//! its name's sake, and nothing can call it.

use wasmtime::component::{Linker, Resource, ResourceTableError};
use wasmtime_wasi::{
    p2::{
        DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket,
        bindings::sockets::{
            instance_network,
            ip_name_lookup::{self, ResolveAddressStream},
            network::{self, ErrorCode, IpAddress, IpAddressFamily, Network},
            tcp, tcp_create_socket, udp, udp_create_socket,
        },
    },
    sockets::{WasiSockets, WasiSocketsCtxView, WasiSocketsView as _},
};

use super::wasi::{HasView, View};
use crate::{agent::state::AgentState, handles::Kind};

pub(super) fn link(linker: &mut Linker<AgentState>) -> wasmtime::Result<()> {
    let options = network::LinkOptions::default();
    network::add_to_linker::<_, HasView>(linker, &options, AgentState::view)?;
    instance_network::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    ip_name_lookup::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    tcp_create_socket::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    udp_create_socket::add_to_linker::<_, HasView>(linker, AgentState::view)?;
    // Methods of sockets. The agent's context refuses them too, were there ever one.
    tcp::add_to_linker::<_, WasiSockets>(linker, AgentState::sockets)?;
    udp::add_to_linker::<_, WasiSockets>(linker, AgentState::sockets)?;
    Ok(())
}

fn denied<T>() -> SocketResult<T> {
    Err(ErrorCode::AccessDenied.into())
}

impl View<'_> {
    fn network(&mut self) -> WasiSocketsCtxView<'_> {
        WasiSocketsCtxView { ctx: self.ctx.sockets(), table: self.table }
    }

    /// Puts a `network` into the table: its rep. The component does not have it yet.
    pub(super) fn new_network(&mut self) -> wasmtime::Result<u32> {
        Ok(instance_network::Host::instance_network(&mut self.network())?.rep())
    }
}

impl instance_network::Host for View<'_> {
    fn instance_network(&mut self) -> wasmtime::Result<Resource<Network>> {
        let network = instance_network::Host::instance_network(&mut self.network())?;
        Ok(self.given(Kind::Network, network))
    }
}

impl network::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        // None of its errors is of the network.
        Ok(None)
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.shadow.remove(network.rep());
        network::HostNetwork::drop(&mut self.network(), network)
    }
}

impl tcp_create_socket::Host for View<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        denied()
    }
}

impl udp_create_socket::Host for View<'_> {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        denied()
    }
}

impl ip_name_lookup::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        _: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        denied()
    }
}

impl ip_name_lookup::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(&mut self, _: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        denied()
    }

    fn subscribe(&mut self, _: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        Err(ResourceTableError::NotPresent.into())
    }

    fn drop(&mut self, _: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        Err(ResourceTableError::NotPresent.into())
    }
}
