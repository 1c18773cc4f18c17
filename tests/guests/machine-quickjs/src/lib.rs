//! The machine of `../machine/README.md` as a script in QuickJS: the engine's heap, with the script's promises, is
//! this component's memory.

use std::cell::RefCell;

use agent::bindings::exports::openclaw::agent::handler::Guest;
use agent::bindings::openclaw::agent::{operations, terminal};
use agent::types::{Event, Fault, Next, Operation, Outcome, Output, Size};
use rquickjs::function::{Args, Constructor, This};
use rquickjs::{
    CatchResultExt as _, Context, Ctx, Function, Module, Object, Persistent, Runtime, TypedArray,
};

const SCRIPT: &str = include_str!("../../machine-js/machine.js");
/// The most the engine's heap may hold, bytes.
const MEMORY_LIMIT: usize = 48 << 20;

struct Engine {
    machine: Persistent<Object<'static>>,
    context: Context,
    runtime: Runtime,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

struct Component;

impl Guest for Component {
    fn handle(event: Event) -> Result<Next, Fault> {
        ENGINE
            .with_borrow_mut(|engine| {
                if engine.is_none() {
                    *engine = Some(Engine::new()?);
                }
                engine.as_ref().map_or(Ok(Next::Idle), |engine| engine.handle(event))
            })
            .map_err(|reason| Fault { reason })
    }
}

#[cfg(target_family = "wasm")]
agent::bindings::export_agent!(Component with_types_in agent::bindings);

impl Engine {
    fn new() -> Result<Self, String> {
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        runtime.set_memory_limit(MEMORY_LIMIT);
        let context = Context::full(&runtime).map_err(|error| error.to_string())?;
        let machine = context.with(|ctx| load(&ctx).catch(&ctx).map_err(|error| error.to_string()))?;
        Ok(Self { machine, context, runtime })
    }

    fn handle(&self, event: Event) -> Result<Next, String> {
        self.context.with(|ctx| self.deliver(&ctx, event).catch(&ctx).map_err(|error| error.to_string()))?;
        // Everything the event led to, up to promises that only a later event resolves.
        while self.runtime.execute_pending_job().map_err(|_| "a job of the script threw".to_owned())? {}
        self.context.with(|ctx| {
            let wants: bool = self.machine(&ctx)?.get("wantsTurn").map_err(|error| error.to_string())?;
            Ok(if wants { Next::Again } else { Next::Idle })
        })
    }

    fn machine<'js>(&self, ctx: &Ctx<'js>) -> Result<Object<'js>, String> {
        self.machine.clone().restore(ctx).map_err(|error| error.to_string())
    }

    fn deliver<'js>(&self, ctx: &Ctx<'js>, event: Event) -> rquickjs::Result<()> {
        let machine = self.machine.clone().restore(ctx)?;
        let method = |name: &str| machine.get::<_, Function<'js>>(name);
        let this = This(machine.clone());
        match event {
            Event::Start(start) => method("start")?.call((this, size(ctx, start.size)?)),
            Event::Input(bytes) => method("input")?.call((this, TypedArray::new(ctx.clone(), bytes)?)),
            Event::Message(message) => {
                method("message")?.call((this, TypedArray::new(ctx.clone(), message.body)?))
            }
            Event::Resize(new) => method("resize")?.call((this, size(ctx, new)?)),
            Event::Resume(resume) => method("resize")?.call((this, size(ctx, resume.size)?)),
            Event::Completed(completion) => {
                method("completed")?.call((this, completion.op.to_string(), outcome(&completion.outcome)))
            }
            Event::Turn => method("turn")?.call((this,)),
            Event::Progress(_) | Event::Stop(_) => Ok(()),
        }
    }
}

fn load<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Persistent<Object<'static>>> {
    let (module, loaded) = Module::declare(ctx.clone(), "machine", SCRIPT)?.eval()?;
    loaded.finish::<()>()?;
    let host = Object::new(ctx.clone())?;
    host.set(
        "write",
        Function::new(ctx.clone(), |text: String| {
            // A full terminal is no reason to end an agent.
            let _ = terminal::write(text.as_bytes());
        })?,
    )?;
    host.set("sleep", Function::new(ctx.clone(), sleep)?)?;
    let machine: Constructor<'js> = module.get("Machine")?;
    let mut args = Args::new(ctx.clone(), 1);
    args.push_arg(host)?;
    Ok(Persistent::save(ctx, machine.construct_args::<Object<'js>>(args)?))
}

/// Ids are text in the script: its numbers are not of 64 bits.
fn sleep(ms: u32) -> rquickjs::Result<String> {
    match operations::submit(&Operation::Sleep(ms.into())) {
        Ok(id) => Ok(id.to_string()),
        Err(refusal) => Err(rquickjs::Error::new_from_js_message("sleep", "operation", refusal.reason)),
    }
}

fn size<'js>(ctx: &Ctx<'js>, size: Size) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("cols", size.cols)?;
    object.set("rows", size.rows)?;
    Ok(object)
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(Output::Slept) => "slept",
        Outcome::Done(_) | Outcome::Failed(_) => "failed",
        Outcome::Cancelled(_) => "cancelled",
        Outcome::OutcomeUnknown(_) => "unknown",
    }
}
