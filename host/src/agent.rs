//! One agent: what its task, its sockets and its API commands share, and the task itself.

pub(crate) mod mailbox;
