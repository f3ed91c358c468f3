//! A TCP server that sends back what it receives, with a task for each connection. It prints its
//! address.
//!
//! ```sh
//! cargo run --example echo                  # port 7007 of this machine
//! cargo run --example echo -- 127.0.0.1:0   # a free port
//! ```

use std::{env, io};

use framewise::net::{TcpListener, TcpStream};

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()), // The client writes no more.
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

#[framewise::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:7007".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        framewise::spawn(echo(stream));
    }
}
