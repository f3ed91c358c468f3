//! What deadlines are worth under overload: the orders server at twice the load that it can bear,
//! in turn without and with the clients' deadlines on the wire.
//!
//! A client waits half a second. Without its deadline the server works for clients that have gone:
//! it serves them in order, each later than the one before, and soon all of them too late. With it,
//! what is too late leaves the queue by itself.
//!
//! `cargo build --release --example server && cargo run --release --example overload` runs it, and
//! prints how many replies came in time. It starts the example `server`, a new process for each
//! run.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use framewise::hyper::{Connector, client};
use framewise::task::JoinSet;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;

/// What an order waits for: so many price calls at once, each of which takes so long.
const CALLS: u32 = 16;
const CALL: Duration = Duration::from_millis(100);
/// How long a client waits.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long orders come in.
const DURATION: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

type Http = Client<Connector, Full<Bytes>>;

fn main() {
    let directory = std::env::temp_dir().join(format!("framewise-overload-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let runtime = framewise::runtime::Runtime::new().expect("a runtime");
    let bearable = f64::from(CALLS) / CALL.as_secs_f64();
    println!(
        "{:.0} orders/s at {bearable:.0} that the server can bear; a client waits {PATIENCE:?}",
        2.0 * bearable
    );
    let mut in_time = [0, 0];
    for round in 1..=ROUNDS {
        for (total, with_deadline) in in_time.iter_mut().zip([false, true]) {
            let server = Server::start(&directory.join(format!("{round}-{with_deadline}")));
            let load = load(server.address, 2.0 * bearable, with_deadline);
            let (count, of) = runtime.block_on(load);
            let name = if with_deadline { "with" } else { "without" };
            println!("round {round}, {name:>7} deadlines: {count:>4} of {of} in time");
            *total += count;
        }
    }
    drop(std::fs::remove_dir_all(&directory));
    let [without, with] = in_time;
    let ratio = with as f64 / without as f64;
    println!("{without} without, {with} with: {ratio:.2} times as many");
}

/// Sends orders at this rate, whether the earlier ones are answered or not. Returns how many
/// replies came in time, and how many orders were sent.
async fn load(address: SocketAddr, rate: f64, with_deadline: bool) -> (usize, usize) {
    let http = client();
    let in_time = Arc::new(AtomicUsize::new(0));
    let mut orders = JoinSet::new();
    let begin = framewise::time::Instant::now();
    let count = (rate * DURATION.as_secs_f64()) as u32;
    for number in 0..count {
        framewise::time::sleep_until(begin + DURATION * number / count).await;
        let (http, in_time) = (http.clone(), in_time.clone());
        orders.spawn(async move {
            let sent = Instant::now();
            let status = order(&http, address, with_deadline).await;
            if status == Some(StatusCode::CREATED) && sent.elapsed() <= PATIENCE {
                // Ordering: Relaxed. The tasks are joined before it is read.
                in_time.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // What is not answered by then is late in any case.
    framewise::time::sleep(PATIENCE).await;
    orders.shutdown().await;
    // Ordering: Relaxed, as above.
    (in_time.load(Ordering::Relaxed), count as usize)
}

async fn order(http: &Http, address: SocketAddr, with_deadline: bool) -> Option<StatusCode> {
    let body = r#"{"customer": "ada", "items": [{"sku": "A-1", "quantity": 1}]}"#;
    let mut request = Request::post(format!("http://{address}/orders"));
    if with_deadline {
        request = request.header("x-timeout-ms", PATIENCE.as_millis().to_string());
    }
    let request = request.body(Full::from(body)).expect("a request");
    let response = http.request(request).await.ok()?;
    let status = response.status();
    response.into_body().collect().await.ok()?;
    Some(status)
}

/// A server process, which is killed when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(database: &Path) -> Server {
        let own = std::env::current_exe().expect("a path");
        let mut child = Command::new(own.with_file_name("server"))
            .args(["--listen", "127.0.0.1:0", "--price-within", "1h"])
            .args(["--price-calls", &CALLS.to_string()])
            .args(["--price-delay", &format!("{}ms", CALL.as_millis())])
            .arg("--database")
            .arg(database)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server: cargo build --release --example server");
        let stdout = child.stdout.take().expect("piped");
        let first = BufReader::new(stdout).lines().next();
        let first = first.expect("a line").expect("text");
        let (_, address) = first.rsplit_once("http://").expect("an address");
        let address = address.parse().expect("an address");
        Server { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
