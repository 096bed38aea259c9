-- One segment of the archive. Rows are added, never changed: see the triggers at the end.
-- Instants are whole microseconds since 1970-01-01 UTC. Text is kept as the meter wrote it.
-- Numbers of exchanges, readings, ratios and batches go on from segment to segment, the others begin anew in each.

CREATE TABLE segment (
    id              INTEGER PRIMARY KEY CHECK (id = 1),  -- there is one row
    number          INTEGER NOT NULL,                    -- number of this segment, from 1
    format          INTEGER NOT NULL,                    -- version of this schema
    gateway         TEXT    NOT NULL,                    -- id of the gateway that writes
    opened_at       INTEGER NOT NULL,
    previous        BLOB    NOT NULL,                    -- hash of the last batch before this segment
    last_batch      INTEGER NOT NULL,                    -- the numbers up to which earlier segments have gone
    last_exchange   INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL
) STRICT;

CREATE TABLE exchange (
    id              INTEGER PRIMARY KEY,                 -- rises by one
    device          INTEGER NOT NULL REFERENCES device (id),
    line            TEXT    NOT NULL,
    request         TEXT    NOT NULL,                    -- what was asked, without secrets
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER NOT NULL,
    received        BLOB    NOT NULL,                    -- every byte that the line brought, in order
    outcome         TEXT    NOT NULL,                    -- done, check_failed, truncated, silent, ...
    detail          TEXT    NOT NULL                     -- why, in words
) STRICT;

CREATE TABLE device (
    id              INTEGER PRIMARY KEY,                 -- a meter as it was known at an exchange; rises by one
    meter           TEXT    NOT NULL,
    serial          TEXT    NOT NULL,                    -- serial number as configured, or as the meter said
    eic             TEXT    NOT NULL,                    -- metering point
    ean             TEXT    NOT NULL,
    metering_type   TEXT    NOT NULL                     -- A, B, C, AMM
) STRICT;

CREATE TABLE ratio (
    id              INTEGER PRIMARY KEY,                 -- a version never changes
    meter           TEXT    NOT NULL,
    ct              TEXT    NOT NULL,                    -- primary/secondary, empty for a direct connection
    vt              TEXT    NOT NULL,
    multiplier      TEXT    NOT NULL,                    -- decimal
    value_side      TEXT    NOT NULL,                    -- primary or secondary values
    since           TEXT    NOT NULL,                    -- first legal-time day of validity
    recorded_at     INTEGER NOT NULL
) STRICT;

CREATE TABLE series (
    id              INTEGER PRIMARY KEY,                 -- rises by one in each segment
    meter           TEXT    NOT NULL,
    obis            TEXT    NOT NULL,                    -- canonical code, or the meter's own where that is none
    is_obis         INTEGER NOT NULL,                    -- 0 where the meter's code is no OBIS code
    obis_raw        TEXT    NOT NULL,                    -- the code as the meter wrote it
    kind            TEXT    NOT NULL,                    -- register, interval, maximum, event
    unit            TEXT    NOT NULL,
    interval_s      INTEGER                              -- length of an interval in seconds
) STRICT;

CREATE TABLE reading (
    seq             INTEGER PRIMARY KEY,                 -- the gateway's count of readings, rises by one
    exchange        INTEGER NOT NULL REFERENCES exchange (id),
    series          INTEGER NOT NULL REFERENCES series (id),
    ratio           INTEGER NOT NULL REFERENCES ratio (id),
    at              INTEGER NOT NULL,                    -- end of an interval, instant of a maximum, else time of reading
    raw             BLOB    NOT NULL,                    -- the bytes of this value on the wire
    raw_text        TEXT    NOT NULL,                    -- the value as the meter wrote it, without its unit
    scaler          INTEGER NOT NULL,                    -- power of ten
    status          INTEGER NOT NULL,                    -- 0 true, 1 substitute, 2 provisional, 3 distorted, 4 missing
    flags           INTEGER NOT NULL,                    -- bits of gatewayd.model.Flag
    more            TEXT,                                -- further values of the data set, JSON array; NULL when none
    meter_time      TEXT                                 -- the meter's own time of the value; NULL when none
) STRICT;

CREATE TABLE audit (
    id              INTEGER PRIMARY KEY,                 -- rises by one in each segment
    at              INTEGER NOT NULL,
    source          TEXT    NOT NULL,                    -- who: gateway, operator, ...
    category        TEXT    NOT NULL,                    -- archive, configuration, clock, ...
    type            TEXT    NOT NULL,                    -- what: segment-sealed, ratio-added, ...
    subject         TEXT    NOT NULL,                    -- on what: a meter, a segment
    result          TEXT    NOT NULL,                    -- done, refused, failed
    detail          TEXT    NOT NULL
) STRICT;

-- What one COMMIT added: the rows above the last numbers of the batch before, and their hash (gatewayd/archive/chain.py).
CREATE TABLE batch (
    id              INTEGER PRIMARY KEY,                 -- rises by one
    committed_at    INTEGER NOT NULL,
    last_exchange   INTEGER NOT NULL,                    -- last number of each table after this batch
    last_device     INTEGER NOT NULL,
    last_ratio      INTEGER NOT NULL,
    last_series     INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL,
    last_audit      INTEGER NOT NULL,
    hash            BLOB    NOT NULL                     -- SHA-256, over the hash of the batch before and the new rows
) STRICT;

CREATE TABLE checkpoint (
    batch           INTEGER PRIMARY KEY REFERENCES batch (id),
    signed_at       INTEGER NOT NULL,
    signature       BLOB    NOT NULL                     -- Ed25519 (gatewayd/archive/signing.py)
) STRICT;

-- One row when the segment is sealed: nothing follows.
CREATE TABLE seal (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    batch           INTEGER NOT NULL REFERENCES batch (id),
    sealed_at       INTEGER NOT NULL,
    first_at        INTEGER,                             -- earliest and latest instant of its readings; NULL when none
    last_at         INTEGER
) STRICT;

CREATE INDEX reading_of_series ON reading (series, at);
CREATE INDEX series_of_meter ON series (meter, obis);

-- Append-only, whoever opens the file. A number that is already there cannot be written again, so that REPLACE finds
-- nothing to replace (it would pass a DELETE trigger when recursive_triggers is off). Only `reading` has no such trigger:
-- it would cost a sixth of the speed. The writing connection has recursive_triggers on and refuses REPLACE all the same;
-- what somebody else replaces does not fit the hash of its batch.

CREATE TRIGGER exchange_rises BEFORE INSERT ON exchange WHEN NEW.id <= (SELECT max(id) FROM exchange)
BEGIN SELECT RAISE(ABORT, 'append-only: exchange exists'); END;
CREATE TRIGGER device_rises BEFORE INSERT ON device WHEN NEW.id <= (SELECT max(id) FROM device)
BEGIN SELECT RAISE(ABORT, 'append-only: device exists'); END;
CREATE TRIGGER ratio_rises BEFORE INSERT ON ratio WHEN NEW.id <= (SELECT max(id) FROM ratio)
BEGIN SELECT RAISE(ABORT, 'append-only: ratio exists'); END;
CREATE TRIGGER series_rises BEFORE INSERT ON series WHEN NEW.id <= (SELECT max(id) FROM series)
BEGIN SELECT RAISE(ABORT, 'append-only: series exists'); END;
CREATE TRIGGER audit_rises BEFORE INSERT ON audit WHEN NEW.id <= (SELECT max(id) FROM audit)
BEGIN SELECT RAISE(ABORT, 'append-only: audit exists'); END;
CREATE TRIGGER batch_rises BEFORE INSERT ON batch WHEN NEW.id <= (SELECT max(id) FROM batch)
BEGIN SELECT RAISE(ABORT, 'append-only: batch exists'); END;
CREATE TRIGGER checkpoint_rises BEFORE INSERT ON checkpoint WHEN NEW.batch <= (SELECT max(batch) FROM checkpoint)
BEGIN SELECT RAISE(ABORT, 'append-only: checkpoint exists'); END;
CREATE TRIGGER segment_once BEFORE INSERT ON segment WHEN EXISTS (SELECT 1 FROM segment)
BEGIN SELECT RAISE(ABORT, 'append-only: segment exists'); END;
CREATE TRIGGER seal_once BEFORE INSERT ON seal WHEN EXISTS (SELECT 1 FROM seal)
BEGIN SELECT RAISE(ABORT, 'append-only: seal exists'); END;

CREATE TRIGGER reading_kept BEFORE UPDATE ON reading BEGIN SELECT RAISE(ABORT, 'append-only: reading'); END;
CREATE TRIGGER reading_stays BEFORE DELETE ON reading BEGIN SELECT RAISE(ABORT, 'append-only: reading'); END;
CREATE TRIGGER exchange_kept BEFORE UPDATE ON exchange BEGIN SELECT RAISE(ABORT, 'append-only: exchange'); END;
CREATE TRIGGER exchange_stays BEFORE DELETE ON exchange BEGIN SELECT RAISE(ABORT, 'append-only: exchange'); END;
CREATE TRIGGER device_kept BEFORE UPDATE ON device BEGIN SELECT RAISE(ABORT, 'append-only: device'); END;
CREATE TRIGGER device_stays BEFORE DELETE ON device BEGIN SELECT RAISE(ABORT, 'append-only: device'); END;
CREATE TRIGGER ratio_kept BEFORE UPDATE ON ratio BEGIN SELECT RAISE(ABORT, 'append-only: ratio'); END;
CREATE TRIGGER ratio_stays BEFORE DELETE ON ratio BEGIN SELECT RAISE(ABORT, 'append-only: ratio'); END;
CREATE TRIGGER series_kept BEFORE UPDATE ON series BEGIN SELECT RAISE(ABORT, 'append-only: series'); END;
CREATE TRIGGER series_stays BEFORE DELETE ON series BEGIN SELECT RAISE(ABORT, 'append-only: series'); END;
CREATE TRIGGER audit_kept BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'append-only: audit'); END;
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append-only: audit'); END;
CREATE TRIGGER batch_kept BEFORE UPDATE ON batch BEGIN SELECT RAISE(ABORT, 'append-only: batch'); END;
CREATE TRIGGER batch_stays BEFORE DELETE ON batch BEGIN SELECT RAISE(ABORT, 'append-only: batch'); END;
CREATE TRIGGER checkpoint_kept BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append-only: checkpoint'); END;
CREATE TRIGGER checkpoint_stays BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'append-only: checkpoint'); END;
CREATE TRIGGER segment_kept BEFORE UPDATE ON segment BEGIN SELECT RAISE(ABORT, 'append-only: segment'); END;
CREATE TRIGGER segment_stays BEFORE DELETE ON segment BEGIN SELECT RAISE(ABORT, 'append-only: segment'); END;
CREATE TRIGGER seal_kept BEFORE UPDATE ON seal BEGIN SELECT RAISE(ABORT, 'append-only: seal'); END;
CREATE TRIGGER seal_stays BEFORE DELETE ON seal BEGIN SELECT RAISE(ABORT, 'append-only: seal'); END;
