-- Flags have outgrown 32 bits. The table is written anew; the view on it, which stands in the way, is made again with
-- the rights that were given on it.
DO $$
DECLARE
    rights aclitem[] := (SELECT relacl FROM pg_class WHERE oid = 'latest'::regclass);
    one record;
BEGIN
    DROP VIEW latest;
    ALTER TABLE reading ALTER COLUMN flags TYPE bigint;
    CREATE VIEW latest AS  -- as in 001
    SELECT DISTINCT ON (meter, obis, gateway, kind)
           gateway, seq, at, received_at, meter, serial, eic, ean, obis, obis_raw, kind, unit, interval_s, value,
           primary_value, raw, status, flags, ratio_id, more, meter_time
    FROM reading
    ORDER BY meter, obis, gateway, kind, at DESC, seq DESC;
    COMMENT ON VIEW latest IS 'The latest reading of each gateway, meter, obis and kind';
    FOR one IN SELECT attname, col_description(attrelid, attnum) AS words
               FROM pg_attribute WHERE attrelid = 'reading'::regclass AND attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN latest.%I IS %L', one.attname, one.words);
    END LOOP;
    FOR one IN SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS whom, privilege_type,
                      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS further
               FROM aclexplode(rights)
    LOOP
        EXECUTE format('GRANT %s ON latest TO %s%s', one.privilege_type, one.whom, one.further);
    END LOOP;
END
$$;
