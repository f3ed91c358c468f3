-- Orders, and what they hold. Times are milliseconds since 1970, money is cents.
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer TEXT NOT NULL,
    total_cents INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'expired')),
    confirmed INTEGER NOT NULL DEFAULT 0,
    -- The request that made the order: a later run of the server acts in its name.
    request_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    expires_unix_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE items (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    cents INTEGER NOT NULL
) STRICT;

CREATE INDEX orders_unsettled ON orders (id) WHERE status = 'open' OR NOT confirmed;
