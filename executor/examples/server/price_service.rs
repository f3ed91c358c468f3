//! The price service: what one of an item costs. It represents another company's service: the
//! client in `prices.rs` calls it by HTTP, and it knows no more of an order than a request's
//! headers say.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use framewise::deadline;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::log::{Site, log};
use crate::prices::PriceError;
use crate::reply::Rejection;

/// What a sku looks like, in words for the client.
pub(crate) const SKU_RULE: &str =
    "1 to 8 capital letters, a hyphen and a number from 1 to 9999, as in A-1";

/// The price service's reply.
#[derive(Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) sku: String,
    pub(crate) cents: u32,
}

/// `GET /prices/{sku}`
pub(crate) async fn price(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Price>, Rejection> {
    let sku = path.map_or_else(|_| "(not UTF-8)".to_owned(), |Path(sku)| sku);
    if !app.price_delay.is_zero() {
        // By itself a sleep waits on when the request's time is over.
        let thinking = framewise::time::sleep(app.price_delay);
        let thought = deadline::enforce(thinking).await;
        thought.map_err(|ended| Rejection::late(&ended))?;
    }
    if app.forwards_prices {
        let cents = app.prices.cents(&sku).await.map_err(|error| {
            let status = match error {
                PriceError::Unknown => StatusCode::NOT_FOUND,
                PriceError::TooSlow(_) | PriceError::TooLate(_) => StatusCode::GATEWAY_TIMEOUT,
                PriceError::Failed(_) => StatusCode::BAD_GATEWAY,
            };
            Rejection::new(status, format!("`{sku}`: {error}"))
        })?;
        return Ok(Json(Price { sku, cents }));
    }
    let Some(cents) = cents(&sku) else {
        let error = format!("there is no item `{sku}`; a sku is {SKU_RULE}");
        return Err(Rejection::new(StatusCode::NOT_FOUND, error));
    };
    log(
        Site::Handler,
        None,
        format_args!("asked for the price of {sku}: {cents} cents"),
    );
    Ok(Json(Price { sku, cents }))
}

/// Returns `true` if `sku` can be part of a path, so that its price can be fetched.
pub(crate) fn is_sku(sku: &str) -> bool {
    let Some((letters, digits)) = sku.split_once('-') else {
        return false;
    };
    (1..=8).contains(&letters.len())
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=8).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the price of an item: made up, but always the same, from 0.01 to 100.00.
fn cents(sku: &str) -> Option<u32> {
    let (_, digits) = sku.split_once('-').filter(|_| is_sku(sku))?;
    if digits.starts_with('0') || digits.len() > 4 {
        return None;
    }
    // FNV-1a.
    let hash = sku.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    Some(hash % 10_000 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_stay_the_same() {
        assert_eq!(cents("A-1"), cents("A-1"));
        assert!((1..=10_000).contains(&cents("ZZZZZZZZ-9999").expect("a price")));
        assert_ne!(cents("A-1"), cents("A-2"));
    }

    #[test]
    fn what_is_no_sku_has_no_price() {
        for sku in [
            "",
            "A",
            "A-",
            "-1",
            "a-1",
            "A-x",
            "A-1/2",
            "A 1",
            "ABCDEFGHI-1",
            "Ä-1",
        ] {
            assert!(!is_sku(sku), "{sku}");
            assert_eq!(cents(sku), None, "{sku}");
        }
        for sku in ["A-0", "A-10000", "A-01"] {
            assert!(is_sku(sku), "{sku}");
            assert_eq!(cents(sku), None, "{sku}");
        }
    }
}
