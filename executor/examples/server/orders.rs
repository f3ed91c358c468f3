//! The handlers for orders.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use framewise::deadline;
use framewise::task::{AbortHandle, JoinHandle};
use serde::Deserialize;

use crate::app::App;
use crate::log::{Site, log};
use crate::price_service::{SKU_RULE, is_sku};
use crate::prices::PriceError;
use crate::reply::Rejection;
use crate::store::{NewOrder, Order, Payment, PricedItem, Status};

/// The most items in an order.
const ITEMS_MAX: usize = 100;
/// The most of one item.
const QUANTITY_MAX: u64 = 1_000;
/// The longest name of a customer, in characters.
const CUSTOMER_MAX: usize = 64;

const EXAMPLE: &str = r#"{"customer": "ada", "items": [{"sku": "A-1", "quantity": 2}]}"#;

/// What a client orders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    customer: Arc<str>,
    items: Vec<DraftItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DraftItem {
    sku: String,
    quantity: u64,
}

type Created = (StatusCode, [(HeaderName, String); 1], Json<Order>);

/// `POST /orders`
pub(crate) async fn create(State(app): State<Arc<App>>, body: Bytes) -> Result<Created, Rejection> {
    let draft = parse(&body)?;
    let customer = draft.customer.clone();
    let order = place(app, draft)
        .await
        .map_err(|rejection| rejection.about(&customer))?;
    log(
        Site::Handler,
        Some(&customer),
        format_args!("order {} accepted, {} cents", order.id, order.total_cents),
    );
    let location = format!("/orders/{}", order.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(order),
    ))
}

/// `GET /orders/{id}`
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Order>, Rejection> {
    let id = order_id(path)?;
    let order = app.store.order(id).await?.ok_or_else(|| no_order(id))?;
    log(
        Site::Handler,
        Some(&order.customer),
        format_args!("order {id} shown"),
    );
    Ok(Json(order))
}

/// `POST /orders/{id}/pay`
pub(crate) async fn pay(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Order>, Rejection> {
    let id = order_id(path)?;
    // In a task of its own: once the order is paid its timer is cancelled, even if the client is
    // gone.
    let token = app.work.begin().ok_or_else(Rejection::stopping)?;
    let paying = framewise::spawn(async move {
        let payment = app.store.pay(id).await;
        if let Ok(Payment::Done(_)) = payment {
            app.expiry.disarm(id);
        }
        drop(token);
        payment
    });
    match deadline::shield(paying).await.map_err(Rejection::fault)?? {
        Payment::Done(order) => {
            log(
                Site::Handler,
                Some(&order.customer),
                format_args!("order {id} paid"),
            );
            Ok(Json(order))
        }
        Payment::Rejected(order) => {
            let error = match order.status {
                Status::Expired => format!("order {id} has expired; place a new one"),
                _ => format!("order {id} is paid already; pay it once"),
            };
            Err(Rejection::new(StatusCode::CONFLICT, error).about(&order.customer))
        }
        Payment::Unknown => Err(no_order(id)),
    }
}

fn no_order(id: i64) -> Rejection {
    let error = format!("there is no order {id}; give the id that POST /orders replied");
    Rejection::new(StatusCode::NOT_FOUND, error)
}

fn order_id(path: Result<Path<String>, PathRejection>) -> Result<i64, Rejection> {
    let id = path.as_ref().map_or("(not UTF-8)", |Path(id)| id);
    id.parse().ok().filter(|id| *id > 0).ok_or_else(|| {
        let right = "give the number that POST /orders replied";
        Rejection::malformed(format!("`{id}` is no order's id; {right}"))
    })
}

fn parse(body: &[u8]) -> Result<Draft, Rejection> {
    let draft: Draft = serde_json::from_slice(body)
        .map_err(|error| Rejection::malformed(format!("no order: {error}; send {EXAMPLE}")))?;
    let length = draft.customer.chars().count();
    if !(1..=CUSTOMER_MAX).contains(&length) || draft.customer.contains(char::is_control) {
        let error = format!("customer: give 1 to {CUSTOMER_MAX} characters, no control characters");
        return Err(Rejection::invalid(error));
    }
    let reject = |error| Err(Rejection::invalid(error).about(&draft.customer));
    if !(1..=ITEMS_MAX).contains(&draft.items.len()) {
        return reject(format!(
            "items: {} are given; give 1 to {ITEMS_MAX}",
            draft.items.len()
        ));
    }
    for (place, item) in draft.items.iter().enumerate() {
        if !(1..=QUANTITY_MAX).contains(&item.quantity) {
            let quantity = item.quantity;
            return reject(format!(
                "items[{place}].quantity: {quantity} is out of range; give 1 to {QUANTITY_MAX}"
            ));
        }
        if !is_sku(&item.sku) {
            return reject(format!(
                "items[{place}].sku: `{}` is none; give {SKU_RULE}",
                item.sku
            ));
        }
    }
    Ok(draft)
}

/// Prices the order, writes it, arms its timer and has it confirmed.
async fn place(app: Arc<App>, draft: Draft) -> Result<Order, Rejection> {
    let items = price_all(&app, &draft).await?;
    // In a task of its own: from here on everything is done or nothing, even if the client goes
    // away in between.
    let token = app.work.begin().ok_or_else(Rejection::stopping)?;
    let placing = framewise::spawn(async move {
        let new = NewOrder {
            customer: draft.customer,
            items,
            pay_within: app.pay_within,
        };
        let order = app.store.insert(new).await?;
        // It is written. What follows from that belongs to the request, and not to its deadline:
        // the timer and the job keep a frame without one.
        deadline::shield(async {
            app.expiry
                .arm(order.id, order.customer.clone(), app.pay_within);
            app.jobs.confirm(order.clone()).await;
        })
        .await;
        drop(token);
        Ok(order)
    });
    // The task ends in time by itself. Its answer is awaited in any case: a client that is told
    // that it is too late must not have an order.
    deadline::shield(placing).await.map_err(Rejection::fault)?
}

/// Fetches all prices at once, in a task each.
async fn price_all(app: &Arc<App>, draft: &Draft) -> Result<Vec<PricedItem>, Rejection> {
    let mut asking = PriceTasks(Vec::with_capacity(draft.items.len()));
    let mut tasks: Vec<JoinHandle<Result<u32, PriceError>>> = Vec::with_capacity(draft.items.len());
    for item in &draft.items {
        let (app, sku, customer) = (app.clone(), item.sku.clone(), draft.customer.clone());
        let task = framewise::spawn(async move {
            let price = app.prices.cents(&sku).await;
            match &price {
                Ok(cents) => {
                    log(
                        Site::Price,
                        Some(&customer),
                        format_args!("{sku} costs {cents} cents"),
                    );
                }
                Err(error) => {
                    log(
                        Site::Price,
                        Some(&customer),
                        format_args!("no price of {sku}: {error}"),
                    );
                }
            }
            price
        });
        asking.0.push(task.abort_handle());
        tasks.push(task);
    }
    let mut priced = Vec::with_capacity(tasks.len());
    for (place, (task, item)) in tasks.into_iter().zip(&draft.items).enumerate() {
        let cents = task
            .await
            .map_err(Rejection::fault)?
            .map_err(|error| no_price(place, &item.sku, &error))?;
        // `parse` has checked that it is small.
        let quantity = u32::try_from(item.quantity).unwrap_or(u32::MAX);
        priced.push(PricedItem {
            sku: item.sku.clone(),
            quantity,
            cents,
        });
    }
    Ok(priced)
}

/// The running price tasks. Dropping it aborts them.
struct PriceTasks(Vec<AbortHandle>);

impl Drop for PriceTasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

fn no_price(place: usize, sku: &str, error: &PriceError) -> Rejection {
    match error {
        PriceError::Unknown => Rejection::invalid(format!(
            "items[{place}].sku: there is no item `{sku}`; a sku is {SKU_RULE}"
        )),
        PriceError::TooSlow(_) | PriceError::TooLate(_) => Rejection::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!("{error}; try again later"),
        ),
        PriceError::Failed(_) => {
            Rejection::new(StatusCode::BAD_GATEWAY, format!("{error}; try again later"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(body: &str) -> Rejection {
        match parse(body.as_bytes()) {
            Ok(_) => panic!("accepted: {body}"),
            Err(rejection) => rejection,
        }
    }

    #[test]
    fn the_example_in_rejections_is_right() {
        let draft =
            parse(EXAMPLE.as_bytes()).unwrap_or_else(|rejection| panic!("{}", rejection.error));
        assert_eq!((&*draft.customer, draft.items[0].quantity), ("ada", 2));
    }

    #[test]
    fn bounds_are_inclusive() {
        for quantity in [1, 1_000] {
            let body = format!(
                r#"{{"customer": "a", "items": [{{"sku": "A-1", "quantity": {quantity}}}]}}"#
            );
            assert!(parse(body.as_bytes()).is_ok(), "{quantity}");
        }
        for quantity in ["0", "1001", "18446744073709551615"] {
            let body = format!(
                r#"{{"customer": "a", "items": [{{"sku": "A-1", "quantity": {quantity}}}]}}"#
            );
            let rejection = rejected(&body);
            assert_eq!(rejection.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(rejection.error.contains("1 to 1000"), "{}", rejection.error);
        }
    }

    #[test]
    fn what_is_no_order_is_rejected_with_an_example() {
        for body in ["", "{", "[]", "null", "\u{0}", r#"{"customer": "a"}"#] {
            let rejection = rejected(body);
            assert_eq!(rejection.status, StatusCode::BAD_REQUEST, "{body}");
            assert!(rejection.error.contains(EXAMPLE), "{}", rejection.error);
        }
    }
}
