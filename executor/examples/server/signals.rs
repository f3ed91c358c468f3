//! SIGTERM and ctrl-c: the first asks the server to stop, the second ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_channel::Receiver;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// The exit code after a second signal.
pub(crate) const EXIT_AT_ONCE: i32 = 130;

/// Listens for the signals; the first one's name comes through the channel.
///
/// # Errors
/// Fails if the operating system does not install a handler.
pub(crate) fn listen() -> io::Result<Receiver<&'static str>> {
    let once = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the second signal finds the flag that the first one set, and ends the
        // process from within the signal handler, whatever its threads are doing.
        flag::register_conditional_shutdown(signal, EXIT_AT_ONCE, once.clone())?;
        flag::register(signal, once.clone())?;
    }
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, receiver) = async_channel::bounded(1);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                // The receiver is gone when the server is stopping already.
                let _ = sender.try_send(if signal == SIGINT {
                    "SIGINT"
                } else {
                    "SIGTERM"
                });
            }
        })?;
    Ok(receiver)
}
