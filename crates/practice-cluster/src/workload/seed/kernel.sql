-- What makes an account's PostgreSQL look like SynxDB's kernel: the segments of its warehouses. They are not there; which of
-- them answer says a file that the server's operator maintains (@SEGMENTS@), a line a warehouse: its OID, its name, and for
-- each of its nodes `up` or `down`. Columns as in cloudberrydb/cloudberrydb, src/include/catalog/gp_segment_configuration.h and
-- gp_warehouse.h; the words of a failed dispatch as in Greenplum 6.24. A session chooses by the setting synxdb.warehouse, which
-- clients call `warehouse`.
BEGIN;
-- Only this function may read files; where it reads is fixed.
CREATE FUNCTION pg_catalog.synxdb_warehouses() RETURNS TABLE (oid oid, warehouse_name text, nodes text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT words[1]::oid, words[2], words[3:] FROM (
        SELECT string_to_array(line, ' ') AS words
        FROM regexp_split_to_table(pg_read_file('@SEGMENTS@'), E'\n') AS line WHERE line <> ''
    ) AS lines $$;

CREATE VIEW pg_catalog.gp_warehouse AS
    SELECT w.oid, cardinality(w.nodes) AS warehouse_size, w.warehouse_name,
        CASE WHEN cardinality(w.nodes) > 0 THEN 'RUNNING' ELSE 'SUSPENDED' END AS status
    FROM pg_catalog.synxdb_warehouses() AS w;

-- The catalog is late: it calls a segment up that does not answer.
CREATE VIEW pg_catalog.gp_segment_configuration AS
    SELECT 1::int2 AS dbid, (-1)::int2 AS content, 'p'::"char" AS role, 'p'::"char" AS preferred_role, 'n'::"char" AS mode,
        'u'::"char" AS status, 5432 AS port, 'coordinator'::text AS hostname, 'coordinator'::text AS address,
        '/data'::text AS datadir, 0::oid AS warehouseid
    UNION ALL
    SELECT (1 + row_number() OVER all_nodes)::int2, (row_number() OVER all_nodes - 1)::int2, 'p', 'p', 'n', 'u', 5432,
        w.warehouse_name || '-' || (n.number - 1), w.warehouse_name || '-' || (n.number - 1), '/data', w.oid
    FROM pg_catalog.synxdb_warehouses() AS w, unnest(w.nodes) WITH ORDINALITY AS n (state, number)
    WINDOW all_nodes AS (ORDER BY w.oid, n.number);

-- The warehouse that a session is in: the one it chose, or the only one that runs.
CREATE FUNCTION pg_catalog.synxdb_current() RETURNS TABLE (oid oid, warehouse_name text, nodes text[])
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
    DECLARE chosen text := coalesce(current_setting('synxdb.warehouse', true), '');
    BEGIN
        RETURN QUERY SELECT w.* FROM synxdb_warehouses() AS w WHERE w.warehouse_name = chosen OR chosen = ''
            AND cardinality(w.nodes) > 0
            AND 1 = (SELECT count(*) FROM synxdb_warehouses() AS o WHERE cardinality(o.nodes) > 0);
        IF FOUND THEN RETURN; END IF;
        IF chosen = '' THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'no warehouse is chosen for this session';
        END IF;
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('warehouse "%s" does not exist', chosen);
    END $$;

CREATE FUNCTION pg_catalog.gp_dist_random(relation text)
    RETURNS TABLE (gp_segment_id int, oid oid, relkind "char", relpersistence "char")
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
    DECLARE current record;
    BEGIN
        IF relation NOT IN ('pg_class', 'pg_catalog.pg_class') THEN
            RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'only pg_class lies on these segments';
        END IF;
        SELECT * INTO STRICT current FROM synxdb_current();
        IF cardinality(current.nodes) = 0 THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('warehouse "%s" is suspended', current.warehouse_name);
        END IF;
        IF 'down' = ANY (current.nodes) THEN
            RAISE EXCEPTION USING ERRCODE = '58M01', MESSAGE = 'failed to acquire resources on one or more segments',
                DETAIL = format('FATAL:  the node of segment %s of warehouse %s does not answer',
                    array_position(current.nodes, 'down') - 1, current.warehouse_name);
        END IF;
        RETURN QUERY SELECT s.content::int, c.oid, c.relkind, c.relpersistence
            FROM gp_segment_configuration AS s, pg_class AS c WHERE s.warehouseid = current.oid;
    END $$;

-- A row's segment, `t.gp_segment_id`: PostgreSQL reads a column that is not there as a function of the row.
CREATE FUNCTION pg_catalog.gp_segment_id(anyelement) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
    DECLARE known text := coalesce(current_setting('synxdb.contents', true), '');
    DECLARE contents int[];
    BEGIN
        -- Once a transaction: a table has many rows.
        IF known = '' THEN
            SELECT string_agg(s.content::text, ',') INTO STRICT known FROM synxdb_current() AS c
                JOIN gp_segment_configuration AS s ON s.warehouseid = c.oid;
            PERFORM set_config('synxdb.contents', known, true);
        END IF;
        contents := string_to_array(known, ',')::int[];
        RETURN contents[1 + (hashtext($1::text) & 2147483647) % cardinality(contents)];
    END $$;
GRANT SELECT ON pg_catalog.gp_warehouse, pg_catalog.gp_segment_configuration TO PUBLIC;
COMMIT;
