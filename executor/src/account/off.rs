//! Accounting without its feature: types that have no value, so that nothing is left of the calls.

/// The thread's meter.
pub(crate) mod meter {
    use std::convert::Infallible;
    use std::ptr::NonNull;
    use std::sync::Arc;

    use super::runtime::{RuntimeAccount, TaskAccount};
    use crate::task::header::Polled;

    pub(crate) struct Meter(Infallible);

    pub(crate) fn with_here<R>(account: &RuntimeAccount, _: impl FnOnce(&Meter) -> R) -> Option<R> {
        match account.0 {}
    }

    pub(crate) fn pointer_here(account: &RuntimeAccount) -> Option<NonNull<Meter>> {
        match account.0 {}
    }

    impl Meter {
        pub(crate) unsafe fn measure(
            &self,
            _: *const TaskAccount,
            _: impl FnOnce() -> Polled,
        ) -> Polled {
            match self.0 {}
        }

        pub(crate) fn of_worker(account: Arc<RuntimeAccount>, _: usize) -> Self {
            match account.0 {}
        }

        pub(crate) fn of_pool(account: Arc<RuntimeAccount>) -> Self {
            match account.0 {}
        }

        pub(crate) fn enter(&self) {
            match self.0 {}
        }

        pub(crate) fn boundary(&self) {
            match self.0 {}
        }

        pub(crate) fn unpark(&self) {
            match self.0 {}
        }

        pub(crate) fn hand_off(&self) -> Option<usize> {
            match self.0 {}
        }

        pub(crate) fn take_back(&self, _: usize) {
            match self.0 {}
        }
    }
}

/// The runtime's account.
pub(crate) mod runtime {
    use std::convert::Infallible;

    use framewise_context::Frame;

    pub(crate) struct RuntimeAccount(pub(super) Infallible);

    pub(crate) struct TaskAccount;

    impl RuntimeAccount {
        pub(crate) fn spawned(&self, _: &Frame, _: bool) -> TaskAccount {
            match self.0 {}
        }

        pub(crate) fn runnable(&self, _: &TaskAccount) {
            match self.0 {}
        }

        pub(crate) fn ended(&self, _: &TaskAccount) {
            match self.0 {}
        }
    }
}
