//! Statistics of live frames: which frames are counted, at which location, and until when. The
//! tests of the contract also use them, in `snapshots.rs`, `values.rs` and others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use framewise_test_support as support;

use framewise_context::frame_stats;

#[test]
fn statistics_exist_exactly_where_they_are_compiled_in() {
    let compiled_in = cfg!(any(debug_assertions, feature = "frame-stats"));
    assert_eq!(frame_stats().is_some(), compiled_in);
}

#[cfg(any(debug_assertions, feature = "frame-stats"))]
mod counted {
    use std::future::pending;
    use std::panic::Location;
    use std::pin::{Pin, pin};
    use std::sync::{Arc, Barrier};
    use std::task::{Context, Waker};
    use std::thread;

    use framewise_context::{ContextVar, Frame, LocationStats, bind, frame_stats};
    use futures::stream::{self, StreamExt};

    use crate::support::{bound_here, on_drop, panics};

    static NUMBER: ContextVar<u64> = ContextVar::new("number");
    static TEXT: ContextVar<String> = ContextVar::new("text");
    static TOKEN: ContextVar<u64> = ContextVar::new("token").not_inherited();

    fn poll<F: Future>(future: Pin<&mut F>) {
        assert!(
            future
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }

    /// Returns the line's locations: bound, and inherited.
    fn locations_at(line: u32) -> Vec<LocationStats> {
        let locations = frame_stats().unwrap().locations().to_vec();
        let here = |site: &LocationStats| site.file == file!() && site.line == line;
        locations.into_iter().filter(here).collect()
    }

    #[test]
    fn every_kind_of_bind_is_counted_at_its_call() {
        let live = |line| {
            locations_at(line)
                .iter()
                .map(|site| site.live)
                .sum::<usize>()
        };
        assert_eq!(NUMBER.run(1, || live(line!())), 1);
        assert_eq!(bind(&NUMBER, 1).run(|| live(line!())), 1);
        let (_frame, line) = (bind(&NUMBER, 1).frame(), line!());
        assert_eq!(live(line), 1);
        // The same with a list, whose last call binds.
        let (line, frame) = (
            line!() + 4,
            bind(&NUMBER, 1)
                .and(&TOKEN, 2)
                .and(&TEXT, "x".into())
                .frame(),
        );
        assert_eq!(live(line), 1);
        drop(frame);
        assert_eq!(live(line), 0);
    }

    #[test]
    fn a_scopes_frames_are_counted_where_the_scope_was_made() {
        let scope = NUMBER.scope(1, pending::<()>());
        let line = line!() - 1;
        let mut scope = Box::pin(scope);
        assert_eq!(
            locations_at(line)[0].live,
            0,
            "no frame before the first poll"
        );
        poll(scope.as_mut());
        assert_eq!(locations_at(line)[0].live, 1);
        // Derived again under another frame: one frame replaces the other.
        TEXT.run("x".into(), || poll(scope.as_mut()));
        let site = locations_at(line).remove(0);
        assert_eq!((site.live, site.made), (1, 2));
        drop(scope);
        assert_eq!(locations_at(line)[0].live, 0);

        let items = bind(&NUMBER, 1).scope_stream(stream::iter(0..3));
        let line = line!() - 1;
        let mut items = pin!(items);
        assert_eq!(futures::executor::block_on(items.next()), Some(0));
        assert_eq!(locations_at(line)[0].live, 1);
        let items = NUMBER.scope_stream(1, stream::iter(0..3));
        let line = line!() - 1;
        let mut items = pin!(items);
        assert_eq!(futures::executor::block_on(items.next()), Some(0));
        assert_eq!(locations_at(line)[0].live, 1);
    }

    #[test]
    fn frames_that_tasks_inherit_have_a_location_of_their_own() {
        let (frame, line) = (bind(&NUMBER, 1).and(&TOKEN, 2).frame(), line!());
        let inherited = [frame.inherited(), frame.inherited()];
        drop(frame);
        let [one, other] = <[LocationStats; 2]>::try_from(locations_at(line)).unwrap();
        // Locations with more live frames come first.
        assert!(one.inherited && !other.inherited);
        assert_eq!((one.live, one.made), (2, 2));
        assert_eq!((other.live, other.made), (0, 1));
        assert_eq!(frame_stats().unwrap().at(file!(), line), 2);
        let LocationStats { file, column, .. } = one;
        assert_eq!(
            one.to_string(),
            format!(
                "2 live frames, inherited by tasks from what is bound at {file}:{line}:{column}"
            )
        );
        drop(inherited);
        assert_eq!(frame_stats().unwrap().at(file!(), line), 0);
    }

    #[test]
    fn one_call_is_one_location_for_every_type() {
        #[track_caller]
        fn bound<T: Clone + Send + Sync>(var: &'static ContextVar<T>, value: &T) -> (Frame, u32) {
            let frame = bind(var, value.clone()).frame();
            (frame, Location::caller().line())
        }
        // A `track_caller` function counts for its caller.
        let all = [bound(&NUMBER, &1), bound(&TEXT, &"x".into())];
        let line = all[0].1;
        assert_eq!(locations_at(line).len(), 2, "two columns of one line");
        assert_eq!(frame_stats().unwrap().at(file!(), line), 2);

        fn generic<T: Clone + Send + Sync>(var: &'static ContextVar<T>, value: &T) -> (Frame, u32) {
            (bind(var, value.clone()).frame(), line!())
        }
        let all = [generic(&NUMBER, &1), generic(&TEXT, &"x".into())];
        let [site] = <[LocationStats; 1]>::try_from(locations_at(all[0].1)).unwrap();
        assert_eq!(site.live, 2);
    }

    #[test]
    fn a_panic_and_a_value_that_panics_when_dropped_leave_no_count_behind() {
        static CALL: ContextVar<crate::support::DropCall> = ContextVar::new("call");
        let line = line!() + 1;
        assert!(panics(|| NUMBER.run(1, || panic!("expected"))));
        assert_eq!(locations_at(line)[0].live, 0);
        let (frame, site) = bound_here(bind(&CALL, on_drop(|| panic!("expected"))));
        assert!(panics(move || drop(frame)));
        site.assert_live(0);
    }

    #[test]
    fn locations_that_threads_race_for_are_counted_once_each() {
        const THREADS: usize = 4;
        macro_rules! bind_eight_times {
            ($frames:ident) => {
                bind_eight_times!(@ $frames 0 1 2 3 4 5 6 7)
            };
            (@ $frames:ident $($number:literal)*) => {
                $($frames.push(bind(&NUMBER, $number).frame());)*
            };
        }
        let barrier = Arc::new(Barrier::new(THREADS));
        let line = line!() + 7;
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    let mut frames = Vec::new();
                    barrier.wait();
                    bind_eight_times!(frames);
                    frames
                })
            })
            .collect();
        let frames: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(frame_stats().unwrap().at(file!(), line), 8 * THREADS);
        // Dropped by another thread than the one that made them.
        drop(frames);
        let locations = locations_at(line);
        assert!(locations.iter().all(|site| site.live == 0));
        assert_eq!(
            locations.iter().map(|site| site.made).sum::<usize>(),
            8 * THREADS
        );
    }

    #[test]
    fn the_locations_with_the_most_live_frames_come_first() {
        let many: Vec<_> = (0..2_000).map(|_| bound_here(bind(&NUMBER, 1))).collect();
        let (_one, _) = bound_here(bind(&NUMBER, 1));
        let line = many[0].1.line;
        let stats = frame_stats().unwrap();
        assert!(stats.total() >= 2_001);
        let shown = stats.to_string();
        let mut lines = shown.lines();
        let first = lines.next().unwrap();
        assert!(first.contains(" live frames at "), "{first}");
        let most = format!("2000 live frames, bound at {}:{line}:", file!());
        assert!(lines.next().unwrap().starts_with(&most), "{shown}");
        let one = format!("\n1 live frame, bound at {}:{}:", file!(), line + 1);
        assert!(shown.contains(&one), "{shown}");
        let counts: Vec<_> = stats.locations().iter().map(|site| site.live).collect();
        assert!(counts.is_sorted_by(|one, other| one >= other));
        // Found by a suffix of the path.
        assert_eq!(stats.at("frame_stats.rs", line), 2_000);
        assert_eq!(stats.at("tests/frame_stats.rs", line), 2_000);
        assert_eq!(stats.at("ats.rs", line), 0);
        assert_eq!(stats.at("frame_stats.rs", line - 1), 0);
    }
}
