//! sqlx with SQLite and its `runtime-tokio`: `Builder::tokio_compat`.

use futures::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use super::{REQUEST, REQUESTS, for_each_request, with_tokio};

async fn pool(connections: u32) -> SqlitePool {
    // One database for all connections, in memory, as long as one of them lives.
    let url = "sqlite:file:framewise?mode=memory&cache=shared";
    let pool = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .connect(url)
        .await
        .unwrap();
    let schema = "drop table if exists lines; create table lines (request integer, line integer)";
    sqlx::raw_sql(schema).execute(&pool).await.unwrap();
    pool
}

#[test]
fn transactions_and_streams_of_rows_keep_each_requests_frame() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let pool = pool(1).await;
            for_each_request(|number| {
                let pool = pool.clone();
                async move {
                    let mut transaction = pool.begin().await.unwrap();
                    assert_eq!(REQUEST.get(), Some(number));
                    for line in 0..10_i64 {
                        sqlx::query("insert into lines values (?, ?)")
                            .bind(i64::try_from(number).unwrap())
                            .bind(line)
                            .execute(&mut *transaction)
                            .await
                            .unwrap();
                        assert_eq!(REQUEST.get(), Some(number));
                    }
                    // Every third is given up.
                    if number % 3 == 0 {
                        transaction.rollback().await.unwrap();
                    } else {
                        transaction.commit().await.unwrap();
                    }
                    let mut rows =
                        sqlx::query("select line from lines where request = ? order by line")
                            .bind(i64::try_from(number).unwrap())
                            .fetch(&pool);
                    let mut lines = 0_i64;
                    while let Some(row) = rows.try_next().await.unwrap() {
                        assert_eq!(REQUEST.get(), Some(number));
                        assert_eq!(row.get::<i64, _>(0), lines);
                        lines += 1;
                    }
                    assert_eq!(lines, if number % 3 == 0 { 0 } else { 10 });
                }
            })
            .await;
            let count: i64 = sqlx::query_scalar("select count(*) from lines")
                .fetch_one(&pool)
                .await
                .unwrap();
            let given_up = i64::try_from(REQUESTS.div_ceil(3)).unwrap();
            assert_eq!(count, 10 * (i64::try_from(REQUESTS).unwrap() - given_up));
            pool.close().await;
        });
    }
}

#[test]
fn a_request_that_is_aborted_gives_its_connection_back() {
    with_tokio(2).block_on(async {
        let pool = pool(1).await;
        let holder = framewise::spawn({
            let pool = pool.clone();
            async move {
                let _transaction = pool.begin().await.unwrap();
                std::future::pending::<()>().await;
            }
        });
        while pool.num_idle() > 0 {
            framewise::task::yield_now().await;
        }
        holder.abort();
        assert!(holder.await.unwrap_err().is_cancelled());
        sqlx::query("insert into lines values (1, 1)")
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    });
}
