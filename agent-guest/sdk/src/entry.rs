//! From the contract's one export to tasks: delivers an event, then runs.

use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;

use crate::types::{Event, Fault, Next, Start};
use crate::{events, executor, log, operation};

thread_local! {
    /// Why `main` failed, until an event's answer has said so.
    static FAULT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Handles one event; what the export made by [`main!`](crate::main) calls.
///
/// # Errors
/// The agent's `main` returned an error during this event.
#[doc(hidden)]
pub fn handle<M, F, E>(event: Event, main: M) -> Result<Next, Fault>
where
    M: FnOnce(Start) -> F,
    F: Future<Output = Result<(), E>> + 'static,
    E: Display,
{
    match event {
        Event::Start(start) => begin(main(start)),
        Event::Input(bytes) => events::deliver(events::Event::Input(bytes)),
        Event::Resize(size) => events::deliver(events::Event::Resize(size)),
        Event::Message(message) => events::deliver(events::Event::Message(message)),
        Event::Resume(resume) => events::deliver(events::Event::Resume(resume)),
        Event::Stop(stop) => events::deliver(events::Event::Stop(stop)),
        Event::Progress(progress) => operation::progress(progress),
        Event::Completed(completion) => operation::complete(completion),
        Event::Turn => {}
    }
    let next = executor::run();
    match FAULT.take() {
        Some(reason) => Err(Fault { reason }),
        None => Ok(next),
    }
}

/// Takes over the state of another version; what the export made by [`main!`](crate::main) calls. The first event
/// after it begins what goes on with it.
///
/// # Errors
/// Why the state is not taken: the agent stays what it was.
#[doc(hidden)]
pub fn load<S, F, E>(
    state: Vec<u8>,
    read: impl FnOnce(Vec<u8>) -> Result<S, E>,
    go_on: impl FnOnce(S) -> F,
) -> Result<(), Fault>
where
    F: Future<Output = Result<(), E>> + 'static,
    E: Display,
{
    let state = read(state).map_err(|error| Fault { reason: error.to_string() })?;
    begin(go_on(state));
    Ok(())
}

fn begin<E: Display>(main: impl Future<Output = Result<(), E>> + 'static) {
    #[cfg(target_family = "wasm")]
    report_panics();
    executor::insert(async move {
        match main.await {
            Ok(()) => log::info!("main returned: the agent stays, idle"),
            Err(error) => FAULT.set(Some(error.to_string())),
        }
    });
}

/// A panic becomes a trap, which says nothing: its message goes to the log first.
#[cfg(target_family = "wasm")]
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("panic");
        match info.location() {
            Some(at) => log::error!(at; "panicked: {message}"),
            None => log::error!("panicked: {message}"),
        }
    }));
}

#[cfg(not(target_family = "wasm"))]
pub(crate) fn reset() {
    FAULT.set(None);
}

/// Makes a component of an `async fn(Start) -> Result<(), impl Display>`.
///
/// The function is called once, inside the agent's first event, and goes on
/// through the later ones. Returning an error inside that first event fails the
/// start; returning `Ok` leaves the agent idle, with its other tasks running.
///
/// ```
/// agent::main!(greeter);
///
/// async fn greeter(start: agent::Start) -> Result<(), String> {
///     agent::println!("I am {}.", start.name);
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// An agent that another version of its image may take over says how (`claw upgrade`): what it hands over, how that is
/// read, which may refuse it, and what goes on with it in place of the first function. Tasks and pending operations stay
/// behind: what they were about is in what is handed over, or lost.
///
/// ```
/// use std::cell::Cell;
///
/// thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
///
/// agent::main!(counter, upgrade: { save, load, go_on });
///
/// async fn counter(_: agent::Start) -> Result<(), String> {
///     go_on(0).await
/// }
///
/// fn save() -> Vec<u8> {
///     COUNT.get().to_le_bytes().to_vec()
/// }
///
/// fn load(state: Vec<u8>) -> Result<u32, String> {
///     let bytes = state.try_into().map_err(|_| "this is not a counter's")?;
///     Ok(u32::from_le_bytes(bytes))
/// }
///
/// async fn go_on(count: u32) -> Result<(), String> {
///     COUNT.set(count);
///     agent::println!("at {count}");
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! main {
    ($main:path) => {
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::openclaw::agent::handler::Guest for Component {
                fn handle(
                    event: $crate::types::Event,
                ) -> ::core::result::Result<$crate::types::Next, $crate::types::Fault> {
                    $crate::entry::handle(event, $main)
                }
            }

            #[cfg(target_family = "wasm")]
    $crate::bindings::export_agent!(Component with_types_in $crate::bindings);
            #[cfg(not(target_family = "wasm"))]
            const _: fn(
                $crate::types::Event,
            ) -> ::core::result::Result<$crate::types::Next, $crate::types::Fault> =
                <Component as $crate::bindings::exports::openclaw::agent::handler::Guest>::handle;
        };
    };
    ($main:path, upgrade: { $save:path, $load:path, $go_on:path }) => {
        $crate::main!($main);

        const _: () = {
            use $crate::bindings::upgradable::exports::openclaw::agent::upgrade;

            struct Versions;

            impl upgrade::Guest for Versions {
                fn save() -> ::std::vec::Vec<u8> {
                    $save()
                }

                fn load(state: ::std::vec::Vec<u8>) -> ::core::result::Result<(), $crate::types::Fault> {
                    $crate::entry::load(state, $load, $go_on)
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::upgradable::export_versions!(
                Versions with_types_in $crate::bindings::upgradable
            );
            #[cfg(not(target_family = "wasm"))]
            const _: (
                fn() -> ::std::vec::Vec<u8>,
                fn(::std::vec::Vec<u8>) -> ::core::result::Result<(), $crate::types::Fault>,
            ) = (<Versions as upgrade::Guest>::save, <Versions as upgrade::Guest>::load);
        };
    };
}
