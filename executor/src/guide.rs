#![doc = include_str!("../guide/rustdoc-links.md")]
#![doc = include_str!("../GUIDE.md")]
// The text is in `GUIDE.md` and `guide/*.md`, so that readers of the repository see it too;
// here it becomes pages of the documentation, and its examples become tests. A page's links are
// defined twice, and the first definition counts: `rustdoc-links.md` leads to pages and types here,
// the definitions at a page's own end lead to files elsewhere. (Hence a failing example is named by
// that file; its module and its line less the length of that file say where it is.)

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/scopes.md")]
pub mod scopes {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/pools.md")]
pub mod pools {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/bodies.md")]
pub mod bodies {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/leaks.md")]
pub mod leaks {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/inheritance.md")]
pub mod inheritance {}

#[cfg(feature = "account")]
#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/accounting.md")]
pub mod accounting {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/deadlines.md")]
pub mod deadlines {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/zones.md")]
pub mod zones {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/from_task_local.md")]
pub mod from_task_local {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/from_tracing.md")]
pub mod from_tracing {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/from_async_local_storage.md")]
pub mod from_async_local_storage {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/ecosystem.md")]
pub mod ecosystem {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/watching.md")]
pub mod watching {}

#[doc = include_str!("../guide/rustdoc-links.md")]
#[doc = include_str!("../guide/migration.md")]
pub mod migration {}
