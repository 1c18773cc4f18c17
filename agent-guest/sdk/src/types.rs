//! The values that cross between an agent and its host; see `wit/agent/types.wit`.

pub use crate::bindings::openclaw::agent::types::{
    Chat, Completion, Event, Failure, FailureCode, Fault, Fetch, Header, Level, Message, MessageOut, Next,
    OpId, Operation, Outcome, Output, Progress, Refusal, RefusalCode, Response, Resume, ResumeCause, Sender,
    Size, Start, Stop, StopReason, ToolCall,
};
