-- The tables of gatewayd. Run with the schema as the only one in search_path, inside a transaction.
-- Names are those of the MQTT contract where it has one.

CREATE TABLE migration (
    number          integer     NOT NULL PRIMARY KEY,
    applied_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE migration IS 'Which changes of this schema gatewayd has made';
COMMENT ON COLUMN migration.number IS 'Number of the file, from 1';
COMMENT ON COLUMN migration.applied_at IS 'When it was applied';

-- COLLATE "C": half the time for each index entry, and indexes that outlive a new collation of the operating system.
CREATE TABLE reading (
    gateway         text COLLATE "C" NOT NULL,
    seq             bigint      NOT NULL,
    at              timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    meter           text COLLATE "C" NOT NULL,
    serial          text,
    eic             text,
    ean             text,
    obis            text COLLATE "C",
    obis_raw        text,
    kind            text        NOT NULL,
    unit            text,
    interval_s      integer,
    value           numeric,
    primary_value   numeric,
    raw             text,
    status          smallint    NOT NULL,
    flags           integer     NOT NULL,
    ratio_id        integer     NOT NULL,
    more            text,
    meter_time      text,
    PRIMARY KEY (gateway, seq, at)  -- TimescaleDB wants the column of time in it
);
CREATE INDEX reading_by_series ON reading (meter, obis, at DESC);

COMMENT ON TABLE reading IS 'Readings as gatewayd archived them, one row each; rows are only ever added';
COMMENT ON COLUMN reading.gateway IS 'Id of the gateway';
COMMENT ON COLUMN reading.seq IS 'Number of the reading, counted by its gateway';
COMMENT ON COLUMN reading.at IS 'End of the interval; instant of a maximum or event; else the time of reading';
COMMENT ON COLUMN reading.received_at IS 'When the gateway had the answer of the meter';
COMMENT ON COLUMN reading.meter IS 'Id of the meter in the configuration';
COMMENT ON COLUMN reading.serial IS 'Serial number of the meter, as configured or as the meter said';
COMMENT ON COLUMN reading.eic IS 'EIC of the metering point';
COMMENT ON COLUMN reading.ean IS 'EAN of the metering point';
COMMENT ON COLUMN reading.obis IS 'What is measured: OBIS code A-B:C.D.E*F, or the meter''s own code where that is none';
COMMENT ON COLUMN reading.obis_raw IS 'The code as the meter wrote it, where it differs from obis';
COMMENT ON COLUMN reading.kind IS 'register, interval, maximum or event';
COMMENT ON COLUMN reading.unit IS 'Unit of value and primary_value';
COMMENT ON COLUMN reading.interval_s IS 'Length of an interval in seconds';
COMMENT ON COLUMN reading.value IS 'The number that the meter sent, with its digits; NULL where it is missing or no number';
COMMENT ON COLUMN reading.primary_value IS 'value times the ratios of the instrument transformers (table ratio)';
COMMENT ON COLUMN reading.raw IS 'The value as the meter wrote it; U+2400 stands for NUL';
COMMENT ON COLUMN reading.status IS 'How far to trust it: table status_code';
COMMENT ON COLUMN reading.flags IS 'Why: sum of 2^bit, table flag_code';
COMMENT ON COLUMN reading.ratio_id IS 'Which ratio of table ratio applied, counted by the gateway';
COMMENT ON COLUMN reading.more IS 'Further values of the same data set, a JSON array of texts';
COMMENT ON COLUMN reading.meter_time IS 'The time that the meter itself gave, as it wrote it';

CREATE TABLE ratio (
    gateway         text COLLATE "C" NOT NULL,
    id              integer     NOT NULL,
    ct              text,
    vt              text,
    multiplier      numeric     NOT NULL,
    value_side      text        NOT NULL,
    since           date        NOT NULL,
    PRIMARY KEY (gateway, id)
);
COMMENT ON TABLE ratio IS 'Ratios of instrument transformers that applied to readings; a version never changes';
COMMENT ON COLUMN ratio.gateway IS 'Id of the gateway';
COMMENT ON COLUMN ratio.id IS 'Number of the ratio, counted by the gateway';
COMMENT ON COLUMN ratio.ct IS 'Current transformers, primary/secondary; NULL without';
COMMENT ON COLUMN ratio.vt IS 'Voltage transformers, primary/secondary; NULL without';
COMMENT ON COLUMN ratio.multiplier IS 'A further factor';
COMMENT ON COLUMN ratio.value_side IS 'Whether the meter shows primary or secondary values';
COMMENT ON COLUMN ratio.since IS 'First day of validity, in legal time';

CREATE TABLE status_code (
    number          smallint    NOT NULL PRIMARY KEY,
    name            text        NOT NULL
);
COMMENT ON TABLE status_code IS 'The statuses of readings; the higher number wins in sums and averages';
COMMENT ON COLUMN status_code.number IS 'Value of reading.status';
COMMENT ON COLUMN status_code.name IS 'Name in the MQTT contract';

CREATE TABLE flag_code (
    bit             smallint    NOT NULL PRIMARY KEY,
    name            text        NOT NULL
);
COMMENT ON TABLE flag_code IS 'The flags of readings: (reading.flags >> bit) & 1 = 1 where one is set';
COMMENT ON COLUMN flag_code.bit IS 'Number of the bit in reading.flags, from 0';
COMMENT ON COLUMN flag_code.name IS 'Name in the MQTT contract';

-- Asked for one meter it goes through the index; asked for everything it reads the whole table.
CREATE VIEW latest AS
SELECT DISTINCT ON (meter, obis, gateway, kind)
       gateway, seq, at, received_at, meter, serial, eic, ean, obis, obis_raw, kind, unit, interval_s, value,
       primary_value, raw, status, flags, ratio_id, more, meter_time
FROM reading
ORDER BY meter, obis, gateway, kind, at DESC, seq DESC;
COMMENT ON VIEW latest IS 'The latest reading of each gateway, meter, obis and kind';
DO $$
DECLARE
    named record;
BEGIN
    FOR named IN SELECT attname, col_description(attrelid, attnum) AS words
                 FROM pg_attribute WHERE attrelid = 'reading'::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN latest.%I IS %L', named.attname, named.words);
    END LOOP;
END
$$;
