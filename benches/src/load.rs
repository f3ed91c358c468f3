//! The clients of the echo server. They use none of the measured runtimes, so the load is the same
//! for all.
//!
//! A client is one thread, with either one blocking socket or many sockets under epoll (by mio).
//! Its processor time can be separated from the server's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

/// The length of a message in bytes.
pub const MESSAGE: usize = 64;

/// A client with one connection and one message at a time.
#[derive(Debug)]
pub struct Single(TcpStream);

impl Single {
    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends a message and waits for its echo.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn echo(&mut self) -> io::Result<()> {
        let mut message = [1; MESSAGE];
        self.0.write_all(&message)?;
        message.fill(0);
        self.0.read_exact(&mut message)?;
        assert_eq!(message, [1; MESSAGE], "the echo equals the message");
        Ok(())
    }
}

/// A client with many connections on one thread. Each connection sends the next message as soon as
/// the echo of the last has arrived.
pub struct Many {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
}

struct Connection {
    stream: mio::net::TcpStream,
    /// The received bytes of the current echo.
    received: usize,
    /// `true` while no message is in flight.
    idle: bool,
}

impl Many {
    /// Connects to the server.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn connect(address: SocketAddr, count: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = mio::net::TcpStream::from_std(stream);
            let registry = poll.registry();
            registry.register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Connection {
                stream,
                received: 0,
                idle: true,
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(count),
            connections,
        })
    }

    /// Exchanges messages for that long, then waits for the messages in flight. Returns the number
    /// of echoes and the elapsed time; both include these last messages.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn run_for(&mut self, duration: Duration) -> io::Result<(u64, Duration)> {
        let start = Instant::now();
        let echoes = self.run(|_| start.elapsed() < duration)?;
        Ok((echoes, start.elapsed()))
    }

    /// Exchanges about `count` messages, at most one more per connection.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn run_count(&mut self, count: u64) -> io::Result<(u64, Duration)> {
        let start = Instant::now();
        let in_flight = self.connections.len() as u64;
        let echoes = self.run(|echoes| echoes + in_flight <= count)?;
        Ok((echoes, start.elapsed()))
    }

    /// Exchanges messages while `go_on`, given the number of echoes, returns `true`.
    fn run(&mut self, mut go_on: impl FnMut(u64) -> bool) -> io::Result<u64> {
        let mut echoes = 0;
        let mut in_flight = self.connections.len();
        for connection in &mut self.connections {
            connection.send()?;
        }
        while in_flight > 0 {
            if let Err(error) = self.poll.poll(&mut self.events, None) {
                if error.kind() == ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            let more = go_on(echoes);
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                if connection.idle || !connection.receive()? {
                    continue;
                }
                echoes += 1;
                if more {
                    connection.send()?;
                } else {
                    in_flight -= 1;
                }
            }
        }
        Ok(echoes)
    }
}

impl Connection {
    fn send(&mut self) -> io::Result<()> {
        self.received = 0;
        self.idle = false;
        // The socket buffer has room, because the echo of the last message has arrived.
        match self.stream.write(&[1; MESSAGE])? {
            MESSAGE => Ok(()),
            _ => Err(ErrorKind::WriteZero.into()),
        }
    }

    /// Returns `true` if the whole echo has arrived.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; MESSAGE];
        while self.received < MESSAGE {
            match self.stream.read(&mut buffer[self.received..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.received += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.idle = true;
        Ok(true)
    }
}
