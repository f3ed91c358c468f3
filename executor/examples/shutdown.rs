//! A graceful shutdown. On SIGTERM or Ctrl-C this echo server stops accepting, gives open
//! connections a limit in which to finish, and then shuts its runtime down, which closes the
//! others.
//!
//! ```sh
//! cargo run --example shutdown                        # port 7007 of this machine, ten seconds
//! cargo run --example shutdown -- 127.0.0.1:0 500     # a free port, 500 milliseconds
//! ```

use std::{env, error::Error, io, pin::pin, time::Duration};

use framewise::net::{TcpListener, TcpStream};
use framewise::signal::unix::{SignalKind, signal};
use framewise::{runtime::Runtime, time};
use futures::future;

/// Each connection holds one; the channel is closed once the last one is dropped.
type Open = async_channel::Sender<()>;

async fn echo(stream: TcpStream, _open: Open) -> io::Result<()> {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

async fn accept(listener: TcpListener, open: Open) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        framewise::spawn(echo(stream, open.clone()));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:7007".to_owned());
    let limit = arguments.next().map_or(Ok(10_000), |limit| limit.parse())?;

    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        let (open, all_closed) = async_channel::bounded(1);
        let accepting = framewise::spawn(accept(listener, open));
        future::select(pin!(terminate.recv()), pin!(interrupt.recv())).await;

        println!("stopping");
        accepting.abort();
        let _ = accepting.await; // From here on the listener is closed.
        println!("no longer accepting");
        let _ = time::timeout(Duration::from_millis(limit), all_closed.recv()).await;
        println!("connections to cut off: {}", all_closed.sender_count());
        Ok::<_, Box<dyn Error>>(())
    })?;
    // Drops the tasks that are left, and with them their connections.
    let has_ended = runtime.shutdown_timeout(Duration::from_secs(10));
    println!("everything has ended: {has_ended}");
    Ok(())
}
