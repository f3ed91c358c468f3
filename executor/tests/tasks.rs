//! Spawning and joining in bulk.
use framewise::{ContextVar, runtime::Builder};
static ID: ContextVar<u64> = ContextVar::new("id");

#[test]
fn spawn_and_join() {
    for workers in [1, 2, 8] {
        let rt = Builder::new().worker_threads(workers).build().unwrap();
        let n: u64 = rt.block_on(async {
            let hs: Vec<_> = (0..10_000u64)
                .map(|i| {
                    ID.run(i, || {
                        framewise::spawn(async move {
                            framewise::task::yield_now().await;
                            assert_eq!(ID.get(), Some(i));
                            i
                        })
                    })
                })
                .collect();
            let mut sum = 0;
            for h in hs {
                sum += h.await.unwrap();
            }
            sum
        });
        assert_eq!(n, 10_000 * 9_999 / 2);
    }
}
