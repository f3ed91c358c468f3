//! Contract, "Basics": C-1 to C-14.

use framewise_context::{ContextVar, Frame, bind};

static A: ContextVar<u64> = ContextVar::new("a");
static B: ContextVar<String> = ContextVar::new("b");

#[test]
fn c02_run_binds_inside_and_restores_after() {
    assert_eq!(A.get(), None);
    A.run(1, || assert_eq!(A.get(), Some(1)));
    assert_eq!(A.get(), None);
    B.run("x".into(), || {
        assert_eq!(B.get().as_deref(), Some("x"));
        A.run(2, || {
            bind(&B, "y".into()).and(&A, 9).and(&A, 3).run(|| {
                assert_eq!(B.get().as_deref(), Some("y"));
                assert_eq!(A.get(), Some(3));
                println!("{:?}", Frame::current());
            })
        });
        assert_eq!(B.get().as_deref(), Some("x"));
    });
}
