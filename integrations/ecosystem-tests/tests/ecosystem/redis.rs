//! redis with its `tokio-comp`, on a real redis-server: `Builder::tokio_compat`.

use futures::StreamExt;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{AsyncCommands, Client, RedisResult};

use super::services::{self, Service};
use super::{REQUEST, REQUESTS, for_each_request, with_tokio};

fn client(service: &Service) -> Client {
    Client::open(format!("redis://127.0.0.1:{}/", service.port)).unwrap()
}

async fn count(mut redis: MultiplexedConnection, number: u64) {
    let key = format!("request:{number}");
    for round in 1..=10_u64 {
        let count: u64 = redis.incr(&key, 1).await.unwrap();
        assert_eq!((count, REQUEST.get()), (round, Some(number)));
    }
    let (own, all): (u64, u64) = redis::pipe()
        .atomic()
        .get(&key)
        .incr("all", 1)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!((own, REQUEST.get()), (10, Some(number)));
    assert!((1..=REQUESTS).contains(&all));
    let gone: u64 = redis.del(&key).await.unwrap();
    assert_eq!((gone, REQUEST.get()), (1, Some(number)));
}

#[test]
fn a_connection_that_requests_share_keeps_each_ones_frame() {
    let Some(service) = services::redis() else {
        return;
    };
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let mut redis = client(&service)
                .get_multiplexed_async_connection()
                .await
                .unwrap();
            let _: () = redis.del("all").await.unwrap();
            for_each_request(|number| count(redis.clone(), number)).await;
            let all: u64 = redis.get("all").await.unwrap();
            assert_eq!(all, REQUESTS);
        });
    }
}

#[test]
fn messages_of_a_subscription_arrive_in_the_subscribers_frame() {
    let Some(service) = services::redis() else {
        return;
    };
    with_tokio(2).block_on(async {
        let client = client(&service);
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        for_each_request(|number| {
            let (client, mut redis) = (client.clone(), redis.clone());
            async move {
                let channel = format!("channel:{number}");
                let mut subscription = client.get_async_pubsub().await.unwrap();
                subscription.subscribe(&channel).await.unwrap();
                let mut messages = subscription.on_message();
                for text in ["one", "two", "three"] {
                    let listeners: u64 = redis.publish(&channel, text).await.unwrap();
                    assert_eq!(listeners, 1);
                    let message = messages.next().await.unwrap();
                    assert_eq!(REQUEST.get(), Some(number));
                    assert_eq!(message.get_payload::<String>().unwrap(), text);
                }
            }
        })
        .await;
    });
}

#[test]
fn a_connection_manager_connects_again_when_the_server_was_killed() {
    let Some(mut service) = services::redis() else {
        return;
    };
    with_tokio(2).block_on(async {
        let manager = ConnectionManager::new(client(&service)).await.unwrap();
        for_each_request(|number| {
            let mut manager = manager.clone();
            async move { manager.set(format!("key:{number}"), number).await.unwrap() }
        })
        .await;
        framewise::task::block_in_place(|| service.restart());
        for_each_request(|number| {
            let mut manager = manager.clone();
            async move {
                // The first calls may meet the end of the old connection.
                loop {
                    let gone: RedisResult<Option<u64>> = manager.get(format!("key:{number}")).await;
                    assert_eq!(REQUEST.get(), Some(number));
                    match gone {
                        Ok(value) => return assert_eq!(value, None, "the new server is empty"),
                        Err(error) => assert!(error.is_io_error(), "{error}"),
                    }
                }
            }
        })
        .await;
    });
}
