//! Which service a connection gets.

use framewise_context::tower::{BindLayer, BindService};
use tower_layer::Layer;

/// Makes a connection's service. The trait is sealed: [`serve`](super::serve) and
/// [`serve_each`](super::serve_each) have its implementations.
pub trait Services<A>: Send + 'static {
    /// The service.
    type Service;

    /// Makes the service of a connection from its peer's address.
    fn make(&mut self, peer: &A) -> Self::Service;
}

/// A clone of one service for every connection.
#[derive(Clone, Debug)]
pub struct Cloned<S>(pub(super) S);

impl<A, S: Clone + Send + 'static> Services<A> for Cloned<S> {
    type Service = S;

    fn make(&mut self, _: &A) -> S {
        self.0.clone()
    }
}

/// What a closure makes for each connection.
#[derive(Clone, Debug)]
pub struct Each<F>(pub(super) F);

impl<A, S, F: FnMut(&A) -> S + Send + 'static> Services<A> for Each<F> {
    type Service = S;

    fn make(&mut self, peer: &A) -> S {
        (self.0)(peer)
    }
}

/// A layer around what another value makes.
#[derive(Clone, Debug)]
pub struct Bound<M, F> {
    pub(super) inner: M,
    pub(super) layer: BindLayer<F>,
}

impl<A, M, F> Services<A> for Bound<M, F>
where
    M: Services<A>,
    F: Clone + Send + 'static,
{
    type Service = BindService<M::Service, F>;

    fn make(&mut self, peer: &A) -> Self::Service {
        self.layer.layer(self.inner.make(peer))
    }
}
