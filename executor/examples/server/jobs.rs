//! The background worker: one task that sends confirmations, each in the name of its order's
//! request.
//!
//! The worker itself belongs to no request; a channel carries no frame. So each message is an
//! envelope that holds the sender's, and the worker enters it for that job alone.

use std::sync::Arc;

use async_channel::{Receiver, Sender};
use framewise::Frame;
use framewise::task::JoinHandle;
use futures::StreamExt;

use crate::log::{Site, log};
use crate::store::{Order, Store};

/// How many confirmations may wait; the sender of another one waits.
const QUEUE_MAX: usize = 1024;
/// How many the worker has under way at once.
const UNDER_WAY: usize = 32;

struct Envelope {
    frame: Frame,
    order: Order,
}

/// The way to the worker.
#[derive(Clone)]
pub(crate) struct Jobs {
    queue: Sender<Envelope>,
}

impl Jobs {
    /// Starts the worker. It ends when the queue is closed and empty.
    pub(crate) fn start(store: Arc<Store>) -> (Jobs, JoinHandle<()>) {
        let (queue, envelopes) = async_channel::bounded(QUEUE_MAX);
        (
            Jobs { queue },
            framewise::spawn_root(work(envelopes, store)),
        )
    }

    /// Queues an order's confirmation, with the current frame.
    pub(crate) async fn confirm(&self, order: Order) {
        let envelope = Envelope {
            frame: Frame::current(),
            order,
        };
        if let Err(error) = self.queue.send(envelope).await {
            let Envelope { order, .. } = error.into_inner();
            log(
                Site::Job,
                Some(&order.customer),
                format_args!("order {} is confirmed after the next start", order.id),
            );
        }
    }

    /// Closes the queue. The jobs in it are still done.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}

async fn work(envelopes: Receiver<Envelope>, store: Arc<Store>) {
    let store = &*store;
    envelopes
        .for_each_concurrent(UNDER_WAY, |Envelope { frame, order }| {
            frame.scope(confirm(order, store))
        })
        .await;
}

async fn confirm(order: Order, store: &Store) {
    let Order {
        id,
        customer,
        total_cents,
        ..
    } = order;
    let (units, cents) = (total_cents / 100, total_cents % 100);
    // Here a real service would send its mail.
    match store.confirm(id, customer.clone()).await {
        Ok(()) => log(
            Site::Job,
            Some(&customer),
            format_args!("confirmation of order {id} sent, total {units}.{cents:02}"),
        ),
        Err(error) => log(
            Site::Job,
            Some(&customer),
            format_args!("order {id} is confirmed after the next start: {error}"),
        ),
    }
}
