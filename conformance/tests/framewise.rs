//! framewise on one, two and eight workers, and on the thread that is in `block_on`.

#[path = "support/framewise.rs"]
mod support;

use support::Framewise;

mod one_worker {
    use super::Framewise;
    framewise_conformance::executor_tests!(Framewise::new(1));
}

mod two_workers {
    use super::Framewise;
    framewise_conformance::executor_tests!(Framewise::new(2));
}

mod eight_workers {
    use super::Framewise;
    framewise_conformance::executor_tests!(Framewise::new(8));
}

mod current_thread {
    use super::Framewise;
    framewise_conformance::executor_tests!(Framewise::current_thread());
}
