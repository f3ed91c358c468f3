//! An orders service on axum, sqlx, reqwest and tracing, written for tokio.
//!
//! Two packages share this file: `before/` has tokio, `after/` has framewise under tokio's name.
//! The request's id is bound once, by a layer, and read by the format of the log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use framewise_context::tower::FrameLayer;
use framewise_context::{BindingList, Bindings, ContextVar, bind};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::task::JoinSet;
use tracing::{Event, Subscriber, info};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

static REQUEST_ID: ContextVar<Arc<str>> = ContextVar::new("request_id");

const X_REQUEST_ID: &str = "x-request-id";

/// What a handler, or a task of it, failed with.
type Failure = Box<dyn Error + Send + Sync>;

/// What the handlers share.
#[derive(Clone)]
struct App {
    database: SqlitePool,
    http: reqwest::Client,
    /// The service of the prices: this one.
    prices: Arc<str>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt().event_format(WithRequest).init();
    // One connection, since each has a database of its own.
    let database = SqlitePoolOptions::new().max_connections(1);
    let database = database.connect("sqlite::memory:").await?;
    let table = "CREATE TABLE orders (id INTEGER PRIMARY KEY, sku TEXT, cents INTEGER)";
    sqlx::query(table).execute(&database).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let app = App {
        database,
        http: reqwest::Client::new(),
        prices: format!("{address}/prices/").into(),
    };
    let routes = Router::new()
        .route("/orders/{sku}", post(order))
        .route("/prices/{sku}", get(price))
        .layer(FrameLayer::bind(identify))
        .with_state(app);
    println!("{address}");
    axum::serve(listener, routes).await?;
    Ok(())
}

/// Binds the request's id.
fn identify(request: &Parts) -> Bindings<impl BindingList + use<>> {
    let id = request.headers.get(X_REQUEST_ID);
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or("none");
    bind(&REQUEST_ID, id.into())
}

/// `POST /orders/{sku}`: stores an order at today's price.
async fn order(State(app): State<App>, Path(sku): Path<String>) -> Result<String, StatusCode> {
    info!("an order for {sku}");
    place(app, sku).await.map_err(|error| {
        info!("it failed: {error}");
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

async fn place(app: App, sku: String) -> Result<String, Failure> {
    let asked = tokio::spawn(ask_price(app.clone(), sku.clone()));
    let cents = tokio::time::timeout(Duration::from_secs(60), asked).await???;
    let mut stored = JoinSet::new();
    stored.spawn(store(app, sku, cents));
    let id = stored.join_next().await.expect("it was spawned")??;
    let receipt = tokio::task::spawn_blocking(move || receipt(id, cents)).await?;
    tokio::spawn(confirm(id));
    Ok(receipt)
}

/// Asks for a price, in the name of the request.
async fn ask_price(app: App, sku: String) -> Result<u32, Failure> {
    info!("asking for the price of {sku}");
    let mut call = app.http.get(format!("{}{sku}", app.prices));
    if let Some(id) = REQUEST_ID.get() {
        call = call.header(X_REQUEST_ID, &*id);
    }
    let cents = call.send().await?.error_for_status()?.text().await?;
    info!("it costs {cents} cents");
    Ok(cents.parse()?)
}

/// `GET /prices/{sku}`, which another service would have.
async fn price(Path(sku): Path<String>) -> String {
    let cents = 100 * sku.len();
    info!("the price of {sku} is {cents} cents");
    cents.to_string()
}

async fn store(app: App, sku: String, cents: u32) -> Result<i64, Failure> {
    let mut transaction = app.database.begin().await?;
    let insert = sqlx::query("INSERT INTO orders (sku, cents) VALUES (?, ?)");
    let insert = insert.bind(sku).bind(cents).execute(&mut *transaction);
    let id = insert.await?.last_insert_rowid();
    transaction.commit().await?;
    info!("order {id} is stored");
    Ok(id)
}

/// Blocks, as a renderer would.
fn receipt(id: i64, cents: u32) -> String {
    info!("order {id}: writing the receipt");
    format!("order {id}: {cents} cents\n")
}

/// Goes on when the request is answered.
async fn confirm(id: i64) {
    tokio::time::sleep(Duration::from_millis(10)).await;
    info!("order {id} is confirmed");
}

/// The log's format: the request's id, then the message.
struct WithRequest;

impl<S, N> FormatEvent<S, N> for WithRequest
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        REQUEST_ID.with(|id| write!(writer, "[{}] ", id.map_or("?", |id| id)))?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
