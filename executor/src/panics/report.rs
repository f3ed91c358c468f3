//! Where a panic goes that no joiner takes: to the handlers of its frame, then to the runtime's
//! hook.
//!
//! Every such panic of the workspace comes to [`report_unhandled`].

use std::collections::VecDeque;
use std::sync::Arc;

use framewise_context::{Frame, catch_unwind};
use framewise_timers::Timers;

use super::Handled;
use super::chain::{HANDLERS, Handlers, Link};
use crate::task::JoinError;
use crate::task::catch::catch_and_discard;

/// The user's hook, called with each panic that neither a joiner nor a handler takes.
pub(crate) type PanicHook = Arc<dyn Fn(&JoinError) + Send + Sync>;

/// Asks the handlers of the frame in which the panic began, the innermost first, and calls the hook
/// if none handled it: each in that frame, whatever frame is current here. Returns the answer of
/// the handlers.
///
/// A handler's own panic is reported outward after the error itself, and the handler is not asked
/// again: so the number of reports is that of the handlers at most. A panic of the hook is printed
/// and goes no further.
#[cold]
pub(crate) fn report_unhandled(hook: Option<&PanicHook>, error: &JoinError) -> Handled {
    let mut report = Report {
        hook,
        panicked: Vec::new(),
        panics: VecDeque::new(),
    };
    let answer = report.pass_outward(error);
    while let Some(panic) = report.panics.pop_front() {
        let _handled = report.pass_outward(&panic);
        catch_and_discard(|| drop(panic));
    }
    // The last holder of a handler drops it, which is user code.
    catch_and_discard(|| drop(report));
    answer
}

/// Lets the panics of timers' callbacks and wakers be reported.
pub(crate) fn report_callback_panics(timers: &Timers, hook: Option<PanicHook>) {
    timers.on_callback_panic(move |payload| {
        // Called in the frame in which the panic began.
        let error = JoinError::panic(payload, Frame::current());
        let answer = report_unhandled(hook.as_ref(), &error);
        catch_and_discard(|| drop(error));
        answer == Handled::Yes
    });
}

struct Report<'a> {
    hook: Option<&'a PanicHook>,
    /// The handlers that panicked. Held, so that no other has the address of one of them.
    panicked: Vec<Arc<Link>>,
    /// The panics of handlers that were not reported yet.
    panics: VecDeque<JoinError>,
}

impl Report<'_> {
    fn pass_outward(&mut self, error: &JoinError) -> Handled {
        let root = Frame::root();
        let frame = error.frame().unwrap_or(&root);
        let mut next = Handlers::of(frame);
        while let Some(link) = next.0 {
            next = link.outer.clone();
            if self.panicked.iter().any(|other| Arc::ptr_eq(other, &link)) {
                continue;
            }
            if self.ask(link, frame, error) == Handled::Yes {
                catch_and_discard(|| drop(next));
                return Handled::Yes;
            }
        }
        if let Some(hook) = self.hook {
            catch_and_discard(|| frame.run(|| hook(error)));
        }
        Handled::No
    }

    /// Calls a handler in `frame`, with those outside of it as the frame's handlers.
    fn ask(&mut self, link: Arc<Link>, frame: &Frame, error: &JoinError) -> Handled {
        let outer = link.outer.clone();
        let call = || HANDLERS.run(outer, || (link.handler.call)(error));
        match catch_unwind(|| frame.run(call)) {
            Ok(answer) => {
                catch_and_discard(|| drop(link));
                answer
            }
            Err(panic) => {
                self.panicked.push(link);
                self.panics.push_back(JoinError::caught(panic));
                Handled::No
            }
        }
    }
}
