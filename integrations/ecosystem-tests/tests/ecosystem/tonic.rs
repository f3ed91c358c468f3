//! tonic's own transport, server and channel: `Builder::tokio_compat`. A message is a number, so no
//! code is generated; `integrations/http-tests` has the other kinds of calls over our sockets.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use framewise::bind;
use framewise::context::{BindingList, Bindings};
use framewise::tower::FrameLayer;
use futures::{Stream, StreamExt, stream};
use tokio_util::bytes::{Buf, BufMut};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::{self, request::Parts};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use super::{REQUEST, for_each_request, with_tokio};

/// Messages for each stream. With many more, h2 takes a hundred streams of small frames for an
/// attack and closes the connection ("too_many_data_frames").
const MESSAGES: u64 = 8;

/// The codec of messages of eight bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers;

impl Codec for Numbers {
    type Encode = u64;
    type Decode = u64;
    type Encoder = Numbers;
    type Decoder = Numbers;

    fn encoder(&mut self) -> Numbers {
        Numbers
    }

    fn decoder(&mut self) -> Numbers {
        Numbers
    }
}

impl Encoder for Numbers {
    type Item = u64;
    type Error = Status;

    fn encode(&mut self, item: u64, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_u64(item);
        Ok(())
    }
}

impl Decoder for Numbers {
    type Item = u64;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<u64>, Status> {
        Ok(Some(buffer.get_u64()))
    }
}

fn requests_number() -> Result<u64, Status> {
    REQUEST
        .get()
        .ok_or_else(|| Status::internal("no number is bound"))
}

/// Streams the number that is bound while each message is made.
fn numbers() -> impl Stream<Item = Result<u64, Status>> + Send + 'static {
    stream::iter(0..MESSAGES).then(|_| async {
        framewise::task::yield_now().await;
        requests_number()
    })
}

/// Returns the number that is bound in a task that the handler spawns.
async fn unary(_: Request<u64>) -> Result<Response<u64>, Status> {
    let spawned = framewise::spawn(async { requests_number() });
    let number = spawned
        .await
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(number?))
}

type Replies = Pin<Box<dyn Stream<Item = Result<u64, Status>> + Send>>;

/// Replies to each message when it arrives; fails if it is another request's.
async fn both(request: Request<Streaming<u64>>) -> Result<Response<Replies>, Status> {
    let replies = request.into_inner().map(|message| {
        let (message, own) = (message?, requests_number()?);
        if message == own {
            Ok(own)
        } else {
            Err(Status::data_loss(format!("{message} in request {own}")))
        }
    });
    Ok(Response::new(Box::pin(replies)))
}

async fn down(_: Request<u64>) -> Result<Response<Replies>, Status> {
    Ok(Response::new(Box::pin(numbers())))
}

async fn endless(_: Request<u64>) -> Result<Response<u64>, Status> {
    std::future::pending().await
}

/// What tonic's build script would generate.
#[derive(Clone)]
struct NumbersServer;

impl NamedService for NumbersServer {
    const NAME: &'static str = "numbers";
}

impl Service<http::Request<Body>> for NumbersServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        /// A handler as a service.
        struct Handler<F>(F);
        impl<F, Fut, In, Out> Service<Request<In>> for Handler<F>
        where
            F: Fn(Request<In>) -> Fut,
            Fut: Future<Output = Result<Response<Out>, Status>> + Send + 'static,
        {
            type Response = Response<Out>;
            type Error = Status;
            type Future = BoxFuture<Response<Out>, Status>;

            fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<In>) -> Self::Future {
                Box::pin((self.0)(request))
            }
        }

        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Numbers);
            Ok(match request.uri().path() {
                "/numbers/unary" => grpc.unary(Handler(unary), request).await,
                "/numbers/endless" => grpc.unary(Handler(endless), request).await,
                "/numbers/down" => grpc.server_streaming(Handler(down), request).await,
                "/numbers/both" => grpc.streaming(Handler(both), request).await,
                other => panic!("there is no {other}"),
            })
        })
    }
}

/// Binds the number that the metadata has.
fn bind_number(request: &Parts) -> Bindings<impl BindingList + use<>> {
    let number = request.headers["x-number"].to_str().unwrap();
    bind(&REQUEST, number.parse().unwrap())
}

async fn serve() -> Endpoint {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let server = Server::builder()
        .layer(FrameLayer::bind(bind_number))
        .add_service(NumbersServer)
        .serve_with_incoming(incoming);
    drop(framewise::spawn_root(server));
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

fn with_number<T>(message: T, number: u64) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-number", number.into());
    request
}

async fn client(channel: Channel) -> tonic::client::Grpc<Channel> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    grpc
}

#[test]
fn unary_and_streaming_calls_over_a_shared_channel_know_their_request() {
    for workers in [1, 2, 8] {
        with_tokio(workers).block_on(async {
            let channel = serve().await.connect().await.unwrap();
            for_each_request(|number| {
                let channel = channel.clone();
                async move {
                    let path = |name: &str| format!("/numbers/{name}").parse().unwrap();
                    let mut grpc = client(channel).await;
                    let reply = grpc.unary(with_number(0, number), path("unary"), Numbers);
                    assert_eq!(reply.await.unwrap().into_inner(), number);
                    assert_eq!(REQUEST.get(), Some(number));

                    grpc.ready().await.unwrap();
                    let down = with_number(0, number);
                    let replies = grpc.server_streaming(down, path("down"), Numbers).await;
                    let mut replies = replies.unwrap().into_inner();
                    let mut count = 0;
                    while let Some(reply) = replies.message().await.unwrap() {
                        assert_eq!((reply, REQUEST.get()), (number, Some(number)));
                        count += 1;
                    }
                    assert_eq!(count, MESSAGES);

                    grpc.ready().await.unwrap();
                    // tonic polls this on its own connection's task: the frame goes along.
                    let frame = framewise::Frame::current();
                    let mut own = Box::pin(numbers());
                    let messages = stream::poll_fn(move |cx| {
                        frame
                            .run(|| own.as_mut().poll_next(cx))
                            .map(|next| next?.ok())
                    });
                    let both = with_number(messages, number);
                    let replies = grpc.streaming(both, path("both"), Numbers).await;
                    let replies = replies.unwrap().into_inner();
                    let replies: Vec<_> = replies.map(Result::unwrap).collect().await;
                    assert_eq!(replies, vec![number; MESSAGES as usize]);
                    assert_eq!(REQUEST.get(), Some(number));
                }
            })
            .await;
        });
    }
}

#[test]
fn a_call_that_runs_out_of_time_is_an_error_and_the_others_go_on() {
    with_tokio(2).block_on(async {
        let endpoint = serve().await.timeout(Duration::from_millis(200));
        let channel = endpoint.connect().await.unwrap();
        for_each_request(|number| {
            let channel = channel.clone();
            async move {
                let mut grpc = client(channel).await;
                let path = if number % 2 == 0 {
                    "/numbers/endless"
                } else {
                    "/numbers/unary"
                };
                let call = grpc.unary(with_number(0, number), path.parse().unwrap(), Numbers);
                let reply: Result<Response<u64>, _> = call.await;
                assert_eq!(REQUEST.get(), Some(number));
                if number % 2 == 0 {
                    assert_eq!(reply.unwrap_err().code(), tonic::Code::Cancelled);
                }
            }
        })
        .await;
        let mut grpc = client(channel).await;
        let path = "/numbers/unary".parse().unwrap();
        let reply: Response<u64> = grpc.unary(with_number(0, 7), path, Numbers).await.unwrap();
        assert_eq!(reply.into_inner(), 7);
    });
}
