//! The hooks of tasks in a program: in the order of the docs, in the frame of the task (C-100).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use framewise::Frame;
use framewise::context::FrameId;
use framewise::runtime::{Builder, TaskMeta};
use framewise::task::Id;

use super::run::lock;

/// What the hooks have said of the tasks of a runtime.
#[derive(Clone, Default)]
pub(crate) struct TaskHooks(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The tasks that are alive: the last hook, and the frame.
    tasks: HashMap<Id, (&'static str, FrameId)>,
    complaints: Vec<String>,
}

impl TaskHooks {
    /// Sets the hooks.
    pub(crate) fn set(&self, builder: Builder) -> Builder {
        let hook = |name, after: &'static [&'static str]| {
            let hooks = self.clone();
            move |task: &TaskMeta<'_>, frame: &Frame| hooks.called(name, after, task, frame)
        };
        builder
            .on_task_spawn(hook("spawn", &[]))
            .on_before_poll(hook("before", &["spawn", "after"]))
            .on_after_poll(hook("after", &["before"]))
            .on_task_complete(hook("complete", &["after"]))
            .on_task_drop(hook("drop", &["spawn", "after", "complete"]))
    }

    fn called(&self, name: &'static str, after: &[&str], task: &TaskMeta<'_>, frame: &Frame) {
        let (id, frame, current) = (task.id(), frame.id(), Frame::current().id());
        let mut state = lock(&self.0);
        let before = match name {
            "drop" => state.tasks.remove(&id),
            _ => state.tasks.insert(id, (name, frame)),
        };
        let in_order = match before {
            Some((before, of_task)) => after.contains(&before) && of_task == frame,
            None => after.is_empty(),
        };
        if !in_order || frame != current {
            let what = format!("C-100: `{name}` in {frame} within {current}, after {before:?}");
            state.complaints.push(what);
        }
    }

    /// Returns what was wrong, when the runtime has ended.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut state = lock(&self.0);
        let mut complaints = std::mem::take(&mut state.complaints);
        if !state.tasks.is_empty() {
            complaints.push(format!("C-100: no drop of {:?}", state.tasks));
        }
        complaints
    }
}
