//! Which send call a kernel TX stamp belongs to. Pure.
//!
//! With `SOF_TIMESTAMPING_OPT_ID` the kernel numbers the send calls of a socket from 0 and returns the number
//! with each stamp. Kernels disagree on whether a failed call consumes a number, so after a failed send the socket
//! is re-armed, the kernel starts again at 0, and so does this table ([`TxIds::restart`]).

/// Sends whose stamp may still come: far more than a socket keeps between two looks at its error queue.
const REMEMBERED: usize = 4_096;

/// The last [`REMEMBERED`] sends of one socket.
#[derive(Debug)]
pub struct TxIds<T> {
    next: u32,
    ring: Vec<Option<(u32, T)>>,
}

impl<T: Copy> Default for TxIds<T> {
    fn default() -> Self {
        Self {
            next: 0,
            ring: vec![None; REMEMBERED],
        }
    }
}

impl<T: Copy> TxIds<T> {
    /// Notes that the next send call has succeeded and belongs to `owner`.
    pub fn sent(&mut self, owner: T) {
        let slot = Self::slot(self.next);
        self.ring[slot] = Some((self.next, owner));
        self.next = self.next.wrapping_add(1);
    }

    /// Whose stamp `id` is; answered once, and not for sends long ago or before a restart.
    pub fn claim(&mut self, id: u32) -> Option<T> {
        let entry = &mut self.ring[Self::slot(id)];
        match *entry {
            Some((known, owner)) if known == id => {
                *entry = None;
                Some(owner)
            }
            _ => None,
        }
    }

    /// The kernel counts from 0 again; stamps still under way keep no owner.
    pub fn restart(&mut self) {
        self.next = 0;
        self.ring.fill(None);
    }

    fn slot(id: u32) -> usize {
        id as usize % REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_find_their_sends_in_any_order_and_once() {
        let mut ids = TxIds::default();
        ids.sent('a');
        ids.sent('b');
        assert_eq!(
            (ids.claim(1), ids.claim(0), ids.claim(0)),
            (Some('b'), Some('a'), None)
        );
        assert_eq!(ids.claim(2), None, "not sent yet");
    }

    #[test]
    fn a_send_overwritten_by_a_later_one_is_forgotten_not_confused() {
        let mut ids = TxIds::default();
        for n in 0..=REMEMBERED {
            ids.sent(n);
        }
        assert_eq!(ids.claim(0), None);
        assert_eq!(ids.claim(REMEMBERED as u32), Some(REMEMBERED));
    }

    #[test]
    fn after_a_restart_old_stamps_have_no_owner_and_new_ones_do() {
        let mut ids = TxIds::default();
        ids.sent('a');
        ids.restart();
        assert_eq!(ids.claim(0), None);
        ids.sent('b');
        assert_eq!(ids.claim(0), Some('b'));
    }
}
