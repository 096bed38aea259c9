-- Derived values of metering points. Every version is a row; rows are only ever added.
CREATE TABLE derived (
    gateway         text COLLATE "C" NOT NULL,
    seq             bigint      NOT NULL,
    at              timestamptz NOT NULL,
    point           text COLLATE "C" NOT NULL,
    eic             text,
    ean             text,
    layer           text COLLATE "C" NOT NULL,
    obis            text COLLATE "C" NOT NULL,
    unit            text,
    interval_s      integer,
    version         integer     NOT NULL,
    supersedes      bigint,
    value           numeric,
    partial         numeric,
    status          smallint    NOT NULL,
    flags           bigint      NOT NULL,
    validated       boolean     NOT NULL,
    have            integer     NOT NULL,
    want            integer     NOT NULL,
    instant         timestamptz,
    method          text        NOT NULL,
    inputs          text,
    rules           text,
    reason          text,
    computed_at     timestamptz NOT NULL,
    PRIMARY KEY (gateway, seq, at)  -- TimescaleDB wants the column of time in it
);
CREATE INDEX derived_by_series ON derived (point, layer, obis, at DESC, gateway, version DESC, seq DESC);

COMMENT ON TABLE derived IS 'Values of metering points as gatewayd derived them, one row for each version; rows are only ever added';
COMMENT ON COLUMN derived.gateway IS 'Id of the gateway';
COMMENT ON COLUMN derived.seq IS 'Number of the value, counted by its gateway; that of readings is another one';
COMMENT ON COLUMN derived.at IS 'End of the interval';
COMMENT ON COLUMN derived.point IS 'Id of the metering point in the configuration';
COMMENT ON COLUMN derived.eic IS 'EIC of the metering point';
COMMENT ON COLUMN derived.ean IS 'EAN of the metering point';
COMMENT ON COLUMN derived.layer IS 'What the value is of: interval, evaluation, day, month, gas_day, maximum, loss, loss_day or loss_month';
COMMENT ON COLUMN derived.obis IS 'What is measured: OBIS code A-B:C.D.E*F';
COMMENT ON COLUMN derived.unit IS 'Unit of value and partial, which are primary ones';
COMMENT ON COLUMN derived.interval_s IS 'Real length of the interval in seconds: a day may have 82800, 86400 or 90000';
COMMENT ON COLUMN derived.version IS '1 for the first; a later version takes its place';
COMMENT ON COLUMN derived.supersedes IS 'Number of the version before; NULL for the first';
COMMENT ON COLUMN derived.value IS 'The value with its digits; NULL where it is missing';
COMMENT ON COLUMN derived.partial IS 'Only where it is missing: the sum of what is there, have of want';
COMMENT ON COLUMN derived.status IS 'How far to trust it: table status_code';
COMMENT ON COLUMN derived.flags IS 'Why: sum of 2^bit, table flag_code';
COMMENT ON COLUMN derived.validated IS 'Whether validation rules are configured, and none has found anything';
COMMENT ON COLUMN derived.have IS 'So many intervals are in it...';
COMMENT ON COLUMN derived.want IS '...of so many; both 1 for what is no sum';
COMMENT ON COLUMN derived.instant IS 'When a maximum was: the end of its interval';
COMMENT ON COLUMN derived.method IS 'How it was made: primary, sum, aggregate, interpolated, comparable, manual, ...';
COMMENT ON COLUMN derived.inputs IS 'Numbers (reading.seq) of what it was made of, as ranges: 17-20,25; 17-397/4 is every fourth';
COMMENT ON COLUMN derived.rules IS 'Validation rules that found something, divided by commas';
COMMENT ON COLUMN derived.reason IS 'Why, in words';
COMMENT ON COLUMN derived.computed_at IS 'When the gateway computed it';

-- What is told of points: no values. Its facts are those of an event in the MQTT contract, by the same names.
CREATE TABLE point_event (
    gateway         text COLLATE "C" NOT NULL,
    seq             bigint      NOT NULL,
    at              timestamptz NOT NULL,
    point           text COLLATE "C" NOT NULL,
    eic             text,
    ean             text,
    type            text        NOT NULL,
    obis            text COLLATE "C",
    state           text,
    unit            text,
    facts           text,
    told_at         timestamptz NOT NULL,
    PRIMARY KEY (gateway, seq, at)
);
CREATE INDEX point_event_by_point ON point_event (point, at DESC);
COMMENT ON TABLE point_event IS 'What gatewayd tells of metering points: findings of rules, uses of substitutes; rows are only ever added';
COMMENT ON COLUMN point_event.gateway IS 'Id of the gateway';
COMMENT ON COLUMN point_event.seq IS 'Number in the archive of derived values, as derived.seq';
COMMENT ON COLUMN point_event.at IS 'End of the day or month that it is about';
COMMENT ON COLUMN point_event.point IS 'Id of the metering point in the configuration';
COMMENT ON COLUMN point_event.eic IS 'EIC of the metering point';
COMMENT ON COLUMN point_event.ean IS 'EAN of the metering point';
COMMENT ON COLUMN point_event.type IS 'What is told, such as substitution.used';
COMMENT ON COLUMN point_event.obis IS 'The channel; NULL for the whole point';
COMMENT ON COLUMN point_event.state IS 'found, or over';
COMMENT ON COLUMN point_event.unit IS 'Unit of the amounts among the facts';
COMMENT ON COLUMN point_event.facts IS 'Everything else, a JSON object of texts';
COMMENT ON COLUMN point_event.told_at IS 'When the gateway wrote it down';

-- Asked for a point it goes through the index; asked for everything it reads the whole table.
CREATE VIEW derived_newest AS
SELECT DISTINCT ON (point, layer, obis, at, gateway)
       gateway, seq, at, point, eic, ean, layer, obis, unit, interval_s, version, supersedes, value, partial, status,
       flags, validated, have, want, instant, method, inputs, rules, reason, computed_at
FROM derived
ORDER BY point, layer, obis, at DESC, gateway, version DESC, seq DESC;
COMMENT ON VIEW derived_newest IS 'The newest version of each derived value';
DO $$
DECLARE
    named record;
BEGIN
    FOR named IN SELECT attname, col_description(attrelid, attnum) AS words
                 FROM pg_attribute WHERE attrelid = 'derived'::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN derived_newest.%I IS %L', named.attname, named.words);
    END LOOP;
END
$$;
