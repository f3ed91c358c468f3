//! The orders in SQLite: every statement of the service is here, and runs on the blocking pool.
//!
//! One connection writes, a few read (see `pool.rs`). Knows nothing of HTTP. Which request an order
//! belongs to is taken from the frame, which `spawn_blocking` carries over: the row keeps it, so
//! that a later run of the server can act in its name.
//!
//! Durability: the write-ahead log with `synchronous = NORMAL`. A commit outlives the process
//! however that ends; a power cut may take the last ones.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};
use serde::Serialize;

use crate::context::{REQUEST_ID, TENANT};
use crate::log::{Site, log, unix_ms};
use crate::pool::{Pool, StoreError, create};

/// How many connections read.
const READERS: usize = 2;
/// The most orders that are read at once.
const PAGE: usize = 20;
/// The schema's number, kept in the file.
const SCHEMA: i64 = 1;

/// What happens to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Open,
    Paid,
    Expired,
}

/// An order, as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) customer: Arc<str>,
    pub(crate) total_cents: i64,
    pub(crate) status: Status,
}

/// An order that is to be written.
pub(crate) struct NewOrder {
    pub(crate) customer: Arc<str>,
    pub(crate) items: Vec<PricedItem>,
    pub(crate) pay_within: Duration,
}

/// An item with what one of it costs.
pub(crate) struct PricedItem {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    pub(crate) cents: u32,
}

/// The result of an attempt to pay.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    /// The order was open and is paid now.
    Done(Order),
    /// The order is no longer open.
    Rejected(Order),
    /// There is no such order.
    Unknown,
}

/// An order of an earlier run with unfinished work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsettled {
    pub(crate) order: Order,
    pub(crate) confirmed: bool,
    pub(crate) request_id: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) expires_in: Duration,
}

/// The database.
pub(crate) struct Store {
    writer: Pool,
    readers: Pool,
}

impl Store {
    /// Opens or creates the database, and makes sure that it can be written.
    ///
    /// # Errors
    /// The file cannot be opened or written, or holds something else.
    pub(crate) fn open(path: &Path) -> Result<Store, StoreError> {
        let explain = |error| StoreError::new(format!("{}: {error}", path.display()));
        let mut connection = create(path).map_err(explain)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(explain)?;
        let schema: i64 = transaction
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(explain)?;
        match schema {
            SCHEMA => {}
            0 => {
                transaction
                    .execute_batch(include_str!("schema.sql"))
                    .map_err(explain)?;
                transaction
                    .pragma_update(None, "user_version", SCHEMA)
                    .map_err(explain)?;
            }
            other => {
                return Err(StoreError::new(format!(
                    "{}: its schema is number {other}, this program knows {SCHEMA}; \
                     give another file with --database",
                    path.display()
                )));
            }
        }
        transaction.commit().map_err(explain)?;
        drop(connection);
        Ok(Store {
            writer: Pool::new(path, 1),
            readers: Pool::new(path, READERS),
        })
    }

    /// Writes an order and returns its id.
    pub(crate) async fn insert(&self, new: NewOrder) -> Result<Order, StoreError> {
        let customer = new.customer.clone();
        self.writer
            .run(Some(customer), "write the order", move |db| {
                insert(db, &new)
            })
            .await
    }

    /// Marks an order as paid if it is still open: the one statement that decides between paying
    /// and expiring.
    pub(crate) async fn pay(&self, id: i64) -> Result<Payment, StoreError> {
        self.writer
            .run(None, "pay the order", move |db| pay(db, id))
            .await
    }

    /// Marks an order as expired if it is still open. Returns `true` if it was.
    pub(crate) async fn expire(&self, id: i64, customer: Arc<str>) -> Result<bool, StoreError> {
        let about = customer.clone();
        let expire = move |db: &mut Connection| {
            let changed = db
                .prepare_cached(
                    "UPDATE orders SET status = 'expired' WHERE id = ? AND status = 'open'",
                )?
                .execute([id])?;
            if changed == 1 {
                log(
                    Site::Database,
                    Some(&about),
                    format_args!("order {id} marked as expired"),
                );
            }
            Ok(changed == 1)
        };
        self.writer
            .run(Some(customer), "expire the order", expire)
            .await
    }

    /// Records that an order's confirmation was sent.
    pub(crate) async fn confirm(&self, id: i64, customer: Arc<str>) -> Result<(), StoreError> {
        let about = customer.clone();
        let confirm = move |db: &mut Connection| {
            db.prepare_cached("UPDATE orders SET confirmed = 1 WHERE id = ?")?
                .execute([id])?;
            log(
                Site::Database,
                Some(&about),
                format_args!("order {id} marked as confirmed"),
            );
            Ok(())
        };
        self.writer
            .run(Some(customer), "note the confirmation", confirm)
            .await
    }

    /// Reads an order.
    pub(crate) async fn order(&self, id: i64) -> Result<Option<Order>, StoreError> {
        let read = move |db: &mut Connection| {
            let order = select(db, id)?;
            if let Some(order) = &order {
                log(
                    Site::Database,
                    Some(&order.customer),
                    format_args!("order {id} read"),
                );
            }
            Ok(order)
        };
        self.readers.run(None, "read the order", read).await
    }

    /// Reads the current tenant's next orders after that one, in the order in which they were
    /// placed.
    pub(crate) async fn page(&self, after: i64) -> Result<Vec<Order>, StoreError> {
        let read = move |db: &mut Connection| {
            let page = page(db, after)?;
            if let (Some(first), Some(last)) = (page.first(), page.last()) {
                log(
                    Site::Database,
                    None,
                    format_args!("orders {} to {} read", first.id, last.id),
                );
            }
            Ok(page)
        };
        self.readers.run(None, "read the orders", read).await
    }

    /// Reads the orders that an earlier run left open or unconfirmed.
    pub(crate) async fn unsettled(&self) -> Result<Vec<Unsettled>, StoreError> {
        self.readers
            .run(None, "read what is open", |db| unsettled(db))
            .await
    }
}

fn insert(db: &mut Connection, new: &NewOrder) -> rusqlite::Result<Order> {
    let total_cents = new
        .items
        .iter()
        .map(|item| i64::from(item.quantity) * i64::from(item.cents))
        .sum();
    let expires = unix_ms().saturating_add(millis(new.pay_within));
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let id: i64 = transaction
        .prepare_cached(
            "INSERT INTO orders (customer, total_cents, status, request_id, tenant, expires_unix_ms)
             VALUES (:customer, :total_cents, 'open', :request_id, :tenant, :expires) RETURNING id",
        )?
        .query_row(
            named_params! {
                ":customer": &*new.customer,
                ":total_cents": total_cents,
                ":request_id": REQUEST_ID.get().as_deref().unwrap_or_default(),
                ":tenant": TENANT.get().as_deref().unwrap_or_default(),
                ":expires": i64::try_from(expires).unwrap_or(i64::MAX),
            },
            |row| row.get(0),
        )?;
    {
        let mut item_row = transaction.prepare_cached(
            "INSERT INTO items (order_id, sku, quantity, cents) VALUES (?, ?, ?, ?)",
        )?;
        for item in &new.items {
            item_row.execute((id, &item.sku, item.quantity, item.cents))?;
        }
    }
    transaction.commit()?;
    log(
        Site::Database,
        Some(&new.customer),
        format_args!("order {id} written"),
    );
    Ok(Order {
        id,
        customer: new.customer.clone(),
        total_cents,
        status: Status::Open,
    })
}

fn pay(db: &mut Connection, id: i64) -> rusqlite::Result<Payment> {
    let changed = db
        .prepare_cached("UPDATE orders SET status = 'paid' WHERE id = ? AND status = 'open'")?
        .execute([id])?;
    let Some(order) = select(db, id)? else {
        return Ok(Payment::Unknown);
    };
    if changed == 1 {
        log(
            Site::Database,
            Some(&order.customer),
            format_args!("order {id} marked as paid"),
        );
        Ok(Payment::Done(order))
    } else {
        Ok(Payment::Rejected(order))
    }
}

fn select(db: &Connection, id: i64) -> rusqlite::Result<Option<Order>> {
    db.prepare_cached("SELECT id, customer, total_cents, status FROM orders WHERE id = ?")?
        .query_row([id], order_from)
        .optional()
}

fn page(db: &Connection, after: i64) -> rusqlite::Result<Vec<Order>> {
    db.prepare_cached(
        "SELECT id, customer, total_cents, status FROM orders
         WHERE tenant = :tenant AND id > :after ORDER BY id LIMIT :page",
    )?
    .query_map(
        named_params! {
            ":tenant": TENANT.get().as_deref().unwrap_or_default(),
            ":after": after,
            ":page": i64::try_from(PAGE).unwrap_or(i64::MAX),
        },
        order_from,
    )?
    .collect()
}

fn unsettled(db: &Connection) -> rusqlite::Result<Vec<Unsettled>> {
    let now = unix_ms();
    db.prepare(
        "SELECT id, customer, total_cents, status, confirmed, request_id, tenant, expires_unix_ms
         FROM orders WHERE status = 'open' OR NOT confirmed ORDER BY id",
    )?
    .query_map([], |row| {
        let expires = u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0);
        Ok(Unsettled {
            order: order_from(row)?,
            confirmed: row.get(4)?,
            request_id: row.get(5)?,
            tenant: row.get(6)?,
            expires_in: Duration::from_millis(expires.saturating_sub(now)),
        })
    })?
    .collect()
}

fn order_from(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get(0)?,
        customer: row.get(1)?,
        total_cents: row.get(2)?,
        status: match row.get_ref(3)?.as_str()? {
            "open" => Status::Open,
            "paid" => Status::Paid,
            _ => Status::Expired,
        },
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
