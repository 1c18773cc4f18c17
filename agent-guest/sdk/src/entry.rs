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
}
