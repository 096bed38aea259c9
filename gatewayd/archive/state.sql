-- Beside the archive: what may change. Losing it loses no reading. How far the sinks have come: cursors.py.

CREATE TABLE IF NOT EXISTS set_aside (
    sink            TEXT    NOT NULL,                    -- id of the sink
    first_seq       INTEGER NOT NULL,                    -- readings that it was not given, or has refused for good
    last_seq        INTEGER NOT NULL,
    at              INTEGER NOT NULL,                    -- when, in microseconds since 1970-01-01 UTC
    reason          TEXT    NOT NULL,                    -- in the words of the sink
    PRIMARY KEY (sink, first_seq)
) STRICT;

CREATE TABLE IF NOT EXISTS refused (
    meter           TEXT    NOT NULL PRIMARY KEY,        -- id of the meter that refused its password or keys
    credentials     TEXT    NOT NULL,                    -- a text that changes with them; never a secret
    at              INTEGER NOT NULL,                    -- when, in microseconds since 1970-01-01 UTC
    text            TEXT    NOT NULL,                    -- in the words of the driver
    final           INTEGER NOT NULL                     -- 0: once it was not clear what came of them; they are tried again
) STRICT;

CREATE TABLE IF NOT EXISTS memory (
    meter           TEXT    NOT NULL,                    -- id of the meter that a driver remembers something of
    key             TEXT    NOT NULL,                    -- in the words of the driver: a counter, an object list
    value           BLOB    NOT NULL,                    -- never a secret
    PRIMARY KEY (meter, key)
) STRICT;
