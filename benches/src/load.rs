//! The clients of the echo server: none of the measured runtimes, so the load is the same for all.
//!
//! One thread, either with one blocking socket, or with many that epoll (by mio) watches. Its
//! processor time can be told from the server's.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

/// The bytes of a message.
pub const MESSAGE: usize = 64;

/// One connection, one message at a time.
#[derive(Debug)]
pub struct Single(TcpStream);

impl Single {
    /// Connects.
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
        assert_eq!(message, [1; MESSAGE], "an echo is what was sent");
        Ok(())
    }
}

/// Many connections of one thread. On each a message follows as soon as the last has come back.
pub struct Many {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
}

struct Connection {
    stream: mio::net::TcpStream,
    /// The bytes of the echo that have come.
    received: usize,
    /// No message is under way, although one should be.
    resting: bool,
}

impl Many {
    /// Connects.
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
                resting: true,
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(count),
            connections,
        })
    }

    /// Exchanges messages for that long. Says how many came back, and how long it took; what was
    /// under way at the end is waited for, and counted.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn run_for(&mut self, duration: Duration) -> io::Result<(u64, Duration)> {
        let start = Instant::now();
        let echoes = self.run(|_| start.elapsed() < duration)?;
        Ok((echoes, start.elapsed()))
    }

    /// Exchanges about that many messages (at most one more for each connection).
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    pub fn run_count(&mut self, count: u64) -> io::Result<(u64, Duration)> {
        let start = Instant::now();
        let under_way = self.connections.len() as u64;
        let echoes = self.run(|echoes| echoes + under_way <= count)?;
        Ok((echoes, start.elapsed()))
    }

    /// Exchanges messages while `go_on` says so, given the number that came back.
    fn run(&mut self, mut go_on: impl FnMut(u64) -> bool) -> io::Result<u64> {
        let mut echoes = 0;
        let mut under_way = self.connections.len();
        for connection in &mut self.connections {
            connection.send()?;
        }
        while under_way > 0 {
            if let Err(error) = self.poll.poll(&mut self.events, None) {
                if error.kind() == ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            let more = go_on(echoes);
            for event in &self.events {
                let connection = &mut self.connections[event.token().0];
                if connection.resting || !connection.receive()? {
                    continue;
                }
                echoes += 1;
                if more {
                    connection.send()?;
                } else {
                    under_way -= 1;
                }
            }
        }
        Ok(echoes)
    }
}

impl Connection {
    fn send(&mut self) -> io::Result<()> {
        self.received = 0;
        self.resting = false;
        // There is room: the last message has come back.
        match self.stream.write(&[1; MESSAGE])? {
            MESSAGE => Ok(()),
            _ => Err(ErrorKind::WriteZero.into()),
        }
    }

    /// Whether the whole echo has come.
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
        self.resting = true;
        Ok(true)
    }
}
