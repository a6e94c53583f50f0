"""A digest of all that belongs to a table or view, by which it is known whether somebody has changed it since."""

import hashlib
from collections.abc import Iterable

from psycopg2 import sql

from etl.target.session import Session

# Names in definitions are qualified as the search_path asks for; so it is the same each time.
_PATH = "SELECT set_config('search_path', {}, true)"
_DEFINITIONS = """
SELECT c.oid, concat_ws(E'\n',
    c.relkind, c.relnamespace::regnamespace, c.relname, c.relowner, c.relacl, c.reloptions, c.relpersistence,
    c.relrowsecurity, c.relforcerowsecurity, c.reltablespace,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
    (
        SELECT string_agg(concat_ws('|', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attgenerated, a.attcollation, a.attacl, pg_get_expr(d.adbin, d.adrelid)), E'\n' ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ),
    (
        SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid), E'\n' ORDER BY conname)
        FROM pg_constraint WHERE conrelid = c.oid
    ),
    (
        SELECT string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY indexrelid::regclass::text)
        FROM pg_index WHERE indrelid = c.oid
    ),
    (
        SELECT string_agg(tgenabled::text || pg_get_triggerdef(oid), E'\n' ORDER BY tgname)
        FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
    ),
    (
        SELECT string_agg(pg_get_ruledef(oid), E'\n' ORDER BY rulename)
        FROM pg_rewrite WHERE ev_class = c.oid AND rulename <> '_RETURN'
    ),
    (
        SELECT string_agg(concat_ws('|', polname, polcmd, polroles, pg_get_expr(polqual, polrelid),
            pg_get_expr(polwithcheck, polrelid)), E'\n' ORDER BY polname)
        FROM pg_policy WHERE polrelid = c.oid
    ),
    (
        SELECT string_agg(objsubid || description, E'\n' ORDER BY objsubid)
        FROM pg_description WHERE objoid = c.oid AND classoid = 'pg_class'::regclass
    ),
    (SELECT string_agg(stxname, E'\n' ORDER BY stxname) FROM pg_statistic_ext WHERE stxrelid = c.oid),
    (SELECT string_agg(inhrelid::text, ' ' ORDER BY inhrelid) FROM pg_inherits WHERE inhparent = c.oid),
    (SELECT string_agg(prpubid::text, ' ' ORDER BY prpubid) FROM pg_publication_rel WHERE prrelid = c.oid)
)
FROM pg_class c WHERE c.oid = ANY({oids}::oid[])
"""


def definitions(session: Session, oids: Iterable[int]) -> dict[int, str]:
    """A digest for each of these tables and views that is there, by its oid."""
    before = session.value(sql.SQL("SELECT current_setting('search_path')"))
    session.value(sql.SQL(_PATH).format(sql.Literal("pg_catalog")))
    rows = session.rows(sql.SQL(_DEFINITIONS).format(oids=sql.Literal(list(oids))))
    session.value(sql.SQL(_PATH).format(sql.Literal(before)))
    return {oid: hashlib.sha256(text.encode()).hexdigest() for oid, text in rows}
