//! Clients: hyper on framewise with pooled connections, HTTP/1 or HTTP/2; and raw bytes for
//! requests that no real client sends.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use framewise::hyper::{Connector, client, client_builder};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy;
use serde_json::Value;

use crate::process::LONG;

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    address: SocketAddr,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) request_id: String,
    pub(crate) json: Value,
}

impl Reply {
    pub(crate) fn error(&self) -> &str {
        self.json["error"]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    pub(crate) fn order(&self) -> i64 {
        self.json["id"]
            .as_i64()
            .unwrap_or_else(|| panic!("no order: {self:?}"))
    }
}

impl Client {
    pub(crate) fn http1(address: SocketAddr) -> Client {
        let http = client();
        Client { http, address }
    }

    pub(crate) fn http2(address: SocketAddr) -> Client {
        let http = client_builder().http2_only(true).build(Connector::new());
        Client { http, address }
    }

    /// Sends a request with the headers for `id` and `tenant`, unless they are empty.
    ///
    /// # Errors
    /// If there is no complete response.
    pub(crate) async fn try_send(
        &self,
        (method, path): (&str, &str),
        (id, tenant): (&str, &str),
        body: impl Into<Bytes>,
    ) -> Result<Reply, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in [("x-request-id", id), ("x-tenant", tenant)] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let request = request
            .body(Full::new(body.into()))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = self
                .http
                .request(request)
                .await
                .map_err(|error| format!("{error:?}"))?;
            let (head, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            let json = serde_json::from_slice(&body).map_err(|error| {
                format!(
                    "{error} in {:?} after {head:?}",
                    String::from_utf8_lossy(&body)
                )
            })?;
            let request_id = head.headers.get("x-request-id").ok_or("no x-request-id")?;
            let request_id = request_id
                .to_str()
                .map_err(|error| error.to_string())?
                .to_owned();
            let cost = head
                .headers
                .get("server-timing")
                .ok_or("no server-timing")?;
            if !cost.as_bytes().starts_with(b"total;dur=") {
                return Err(format!("{cost:?} is no server-timing"));
            }
            Ok(Reply {
                status: head.status,
                request_id,
                json,
            })
        };
        match framewise::time::timeout(LONG, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no reply at all".to_owned()),
        }
    }

    /// Gets a response of many lines, each of which is JSON.
    pub(crate) async fn lines(&self, path: &str, (id, tenant): (&str, &str)) -> Vec<Value> {
        let request = Request::get(format!("http://{}{path}", self.address))
            .header("x-request-id", id)
            .header("x-tenant", tenant)
            .body(Full::default())
            .expect("a request");
        let exchange = async {
            let response = self.http.request(request).await.expect("a reply");
            let (head, body) = response.into_parts();
            assert_eq!(head.status, StatusCode::OK);
            assert_eq!(head.headers["x-request-id"], id);
            body.collect().await.expect("all of it").to_bytes()
        };
        let body = framewise::time::timeout(LONG, exchange)
            .await
            .expect("a reply in time");
        let text = std::str::from_utf8(&body).expect("text");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        lines.collect()
    }

    /// Sends a request; panics if there is no response.
    pub(crate) async fn send(
        &self,
        (method, path): (&str, &str),
        (id, tenant): (&str, &str),
        body: impl Into<Bytes>,
    ) -> Reply {
        match self.try_send((method, path), (id, tenant), body).await {
            Ok(reply) => reply,
            Err(error) => panic!("{method} {path} [{id}]: {error}"),
        }
    }
}

/// Returns the body of an order.
pub(crate) fn order(customer: &str, skus: &[&str]) -> String {
    let items: Vec<Value> = skus
        .iter()
        .map(|sku| serde_json::json!({ "sku": sku, "quantity": 1 }))
        .collect();
    serde_json::json!({ "customer": customer, "items": items }).to_string()
}

/// Returns an order as the bytes of an HTTP/1 request.
pub(crate) fn raw_order(id: &str, tenant: &str, body: &str, more: &str) -> String {
    let length = body.len();
    format!(
        "POST /orders HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\nx-tenant: {tenant}\r\n\
         content-length: {length}\r\n{more}\r\n{body}"
    )
}

/// Opens a blocking connection for raw bytes, for use by threads, not tasks.
pub(crate) fn raw(address: SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a timeout");
    stream
}

/// Sends bytes on a new connection, and reads until the server closes it.
pub(crate) fn raw_exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = raw(address);
    stream.write_all(bytes).expect("written");
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        // The server may close the connection with unread bytes from the client.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is not closed: {error}"),
    }
    String::from_utf8_lossy(&reply).into_owned()
}
