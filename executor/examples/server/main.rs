//! An orders service: a small but whole HTTP server on framewise, in which every log line, database
//! call, timer, background job and outgoing call knows the request that it belongs to, and no
//! function has a parameter for it.
//!
//! `cargo run --release --example server -- --help` lists the options.
//!
//! Where to look: `context.rs` declares the two variables, `web.rs` binds them once, `log.rs` reads
//! them. Between these lie the handlers (`orders.rs`), a pooled HTTP client (`prices.rs`), SQLite
//! on the blocking pool (`store.rs`), timer callbacks (`expiry.rs`) and a worker behind a channel
//! (`jobs.rs`), none of which names a request.
//! `serve.rs` and `signals.rs` begin and end it.
//!
//! A request's time is limited in one place, too (a layer in `web.rs`). Everything that it waits
//! for then fails when that time is over: its price calls, which tell the price service how much
//! time is left, its turn at a connection, its statements (`pool.rs`). What must not be given up
//! half done is in a `shield`.

mod app;
mod context;
mod expiry;
mod export;
mod jobs;
mod log;
mod options;
mod orders;
mod pool;
mod price_service;
mod prices;
mod reply;
mod serve;
mod signals;
mod store;
mod turns;
mod web;
mod work;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewise::account;
use framewise::net::TcpListener;
use framewise::runtime::Builder;
use framewise::task::JoinHandle;

use crate::app::App;
use crate::context::{REQUEST_ID, TENANT};
use crate::jobs::Jobs;
use crate::log::{Site, log};
use crate::options::{Command, HELP, Options};
use crate::prices::Prices;
use crate::serve::Server;
use crate::signals::Signals;
use crate::store::{Status, Store};
use crate::work::Work;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            let _ = std::io::stdout().write_all(HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(2, &error),
    };
    log::set_format(options.log);
    match start(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// Prints why the process ends; a closed standard error does not turn that into a panic.
fn fail(code: u8, error: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "server: {error}");
    ExitCode::from(code)
}

fn start(options: &Options) -> Result<(), String> {
    let store = Store::open(&options.database)
        .map_err(|error| format!("cannot use the database {error}; --database gives another"))?;
    // By tenant, so that each reply can tell what it cost.
    let mut builder = Builder::new().account(&account::by(&TENANT));
    if let Some(workers) = options.workers {
        builder = builder.worker_threads(workers);
    }
    let runtime = builder
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let outcome = runtime.block_on(run(options, Arc::new(store)));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Runs the server, from its first listener to the last queued job.
async fn run(options: &Options, store: Arc<Store>) -> Result<(), String> {
    let signals =
        Signals::listen().map_err(|error| format!("cannot listen to signals: {error}"))?;
    let public = listen(&options.listen).await?;
    // Prices are served a second time, to ourselves alone: while the server stops, orders under way
    // still need them.
    let internal = listen("127.0.0.1:0").await?;
    let own = internal.local_addr().map_err(|error| error.to_string())?;
    let price_address = options.prices_at.unwrap_or(own);
    let prices = Prices::new(
        price_address,
        options.price_calls,
        options.price_within,
        options.read_within / 2,
    );
    let (jobs, worker) = Jobs::start(store.clone());
    let work = Arc::new(Work::new());
    let app = Arc::new(App::new(options, store, prices, jobs, work));
    recover(&app).await?;

    let failed = |error| format!("cannot serve: {error}");
    let serve = |listener, router, drain_within| {
        Server::start(listener, router, options.read_within, drain_within).map_err(failed)
    };
    let internal = serve(internal, web::prices(app.clone()), Duration::from_secs(1))?;
    let public = serve(public, web::public(app.clone()), options.drain_within)?;
    announce(public.address());

    let signal = signals.first().await;
    log(
        Site::Server,
        None,
        format_args!(
            "stopping on {signal}: finishing what is in flight; a second signal exits at once"
        ),
    );
    stop(options.drain_within, &app, public, internal, worker).await
}

async fn listen(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; --listen gives another address")
    })
}

/// Prints the server's address and what to try, on standard output.
fn announce(address: SocketAddr) {
    let shown = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let shown = SocketAddr::new(shown, address.port());
    let _ = write!(
        std::io::stdout(),
        "framewise orders service on http://{address}\n\
         try: curl -i http://{shown}/orders -H 'x-request-id: try-1' -H 'x-tenant: acme' \
         -d '{{\"customer\": \"ada\", \"items\": [{{\"sku\": \"A-1\", \"quantity\": 2}}]}}'\n"
    );
    log(
        Site::Server,
        None,
        format_args!("listening on http://{address}"),
    );
}

/// Takes up the orders that an earlier run left, each in the frame of the request that made it.
async fn recover(app: &Arc<App>) -> Result<(), String> {
    let unsettled = app
        .store
        .unsettled()
        .await
        .map_err(|error| error.to_string())?;
    for left in unsettled {
        framewise::bind(&REQUEST_ID, left.request_id)
            .and(&TENANT, left.tenant)
            .scope(async {
                let order = left.order;
                if order.status == Status::Open {
                    app.expiry
                        .arm(order.id, order.customer.clone(), left.expires_in);
                }
                if !left.confirmed {
                    app.jobs.confirm(order).await;
                }
            })
            .await;
    }
    Ok(())
}

/// Stops in order: new connections, then requests, the work that follows from them, and queued
/// jobs.
async fn stop(
    within: Duration,
    app: &App,
    public: Server,
    internal: Server,
    worker: JoinHandle<()>,
) -> Result<(), String> {
    let deadline = Instant::now() + within;
    let left = || deadline.saturating_duration_since(Instant::now());
    public.stop().await;
    let open = app.expiry.stop();
    // Writes that have begun are finished, even if the connections have used up the time.
    let grace = |left: Duration| left.max(Duration::from_secs(5));
    let finished = app.work.finish(grace(left())).await;
    app.jobs.close();
    let confirmed = framewise::time::timeout(grace(left()), worker)
        .await
        .is_ok();
    internal.stop().await;
    if !(finished && confirmed) {
        return Err("stopped with work undone; the next start takes it up".to_owned());
    }
    log(
        Site::Server,
        None,
        format_args!("stopped; {open} orders are open for the next run"),
    );
    Ok(())
}
