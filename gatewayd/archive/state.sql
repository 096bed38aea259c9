-- Beside the archive: what may change. Losing it costs repeated deliveries, never data.

CREATE TABLE IF NOT EXISTS cursor (
    sink            TEXT    PRIMARY KEY,                 -- id of the sink
    seq             INTEGER NOT NULL                     -- everything up to here has been acknowledged
) STRICT;
