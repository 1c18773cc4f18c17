//! The mailbox of an agent that rests, and of one that goes back.

use super::{Item, Mailbox};

impl Mailbox {
    /// The agent rests on what was captured last: that is in its checkpoint and comes back from there. Of what came
    /// since, input waits here for the agent; everything else comes again.
    pub(crate) fn rest(&self) {
        let mut queue = self.queue();
        queue.resting = true;
        let captured = queue.captured.min(queue.items.len());
        let waiting: Vec<Item> = queue.items.drain(..).skip(captured).collect();
        queue.clear_counts();
        for item in waiting {
            if matches!(item, Item::Input { .. } | Item::Resize(_)) {
                queue.push(item);
            }
        }
        drop(queue);
        self.room.notify_waiters();
    }

    /// Forgets the ends of operations that are not known any more, those after `last`; the others that wait.
    pub(crate) fn keep_completions(&self, last: u64) -> Vec<u64> {
        let mut queue = self.queue();
        let known = |item: &Item| !matches!(item, Item::Completed(completion) if completion.op > last);
        queue.items.retain(known);
        queue.captured = 0;
        let completed = queue.items.iter().filter_map(|item| match item {
            Item::Completed(completion) => Some(completion.op),
            _ => None,
        });
        completed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::mailbox::Captured;
    use crate::bindings::agent::openclaw::agent::types as wit;

    fn slept(op: u64) -> wit::Completion {
        wit::Completion { op, outcome: wit::Outcome::Done(wit::Output::Slept) }
    }

    #[tokio::test]
    async fn what_was_captured_is_not_kept_twice() {
        let mailbox = Mailbox::default();
        mailbox.input("a", 0, b"one");
        mailbox.completed(slept(1));
        assert_eq!(mailbox.capture().events.len(), 2);
        // Not joined with what was captured before.
        mailbox.input("a", 3, b"two");
        mailbox.completed(slept(2));
        mailbox.rest();
        assert!(matches!(mailbox.next().await, Some(Item::Input { bytes, .. }) if bytes == b"two"));
        assert!(mailbox.is_idle());
    }

    #[tokio::test]
    async fn what_was_captured_may_be_joined_by_nothing() {
        let mailbox = Mailbox::default();
        mailbox.input("a", 0, b"one");
        mailbox.capture();
        mailbox.input("a", 3, b"two");
        mailbox.rest();
        assert!(matches!(mailbox.next().await, Some(Item::Input { bytes, .. }) if bytes == b"two"));
    }

    #[test]
    fn an_agent_that_rests_takes_no_mail_until_it_is_loaded() {
        let mailbox = Mailbox::default();
        mailbox.rest();
        let message = wire::message::Message {
            id: wire::MessageId::new(),
            sender: wire::message::Sender::Api {},
            content_type: String::new(),
            body: Vec::new(),
            sent_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let delivery =
            wire::message::Delivery { seq: 5, what: wire::message::Delivered::Message { message } };
        assert!(!mailbox.message(&delivery, 0));
        mailbox.load(Captured { events: Vec::new(), inbox: 5 });
        // It was in the checkpoint: taken, and not delivered again.
        assert!(mailbox.message(&delivery, 0) && mailbox.is_idle());
    }

    #[test]
    fn ends_of_unknown_operations_are_forgotten() {
        let mailbox = Mailbox::default();
        mailbox.completed(slept(1));
        mailbox.completed(slept(2));
        assert_eq!(mailbox.keep_completions(1), [1]);
        assert_eq!(mailbox.keep_completions(0), [0_u64; 0]);
        assert!(mailbox.is_idle());
    }
}
