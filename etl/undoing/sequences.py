"""Sequences put back to where they stood before the run, if they still stand where it left them."""

from collections.abc import Iterator, Mapping

from psycopg2 import sql

from etl.core.undo_record import SequenceState, UndoRecord, UndoSequence
from etl.core.undo_report import ThingUndone
from etl.target.sequences import sequence_states
from etl.target.session import Session

Staying = tuple[sql.Identifier, sql.Composable]
"""A table's name, and which of its rows (called r) stay."""
KIND = "sequence"
_FOUND = """
SELECT pg_has_role(c.relowner, 'USAGE'), s.seqincrement, s.seqcache,
    has_sequence_privilege(c.oid, 'SELECT') AND (
        pg_has_role(c.relowner, 'USAGE') OR has_sequence_privilege(c.oid, 'UPDATE')
    )
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
WHERE n.nspname = {schema} AND c.relname = {name}
"""
# The columns that own the sequence, or take their default from it.
_COLUMNS = """
SELECT a.attrelid, a.attname FROM pg_depend d
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.objid = {sequence}::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.deptype IN ('a', 'i')
UNION
SELECT a.attrelid, a.attname FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = {sequence}::regclass
"""


def restore_sequences(
    session: Session, record: UndoRecord, staying: Mapping[int, Staying], *, dry_run: bool
) -> Iterator[ThingUndone]:
    """Puts each back that still stands where the run left it, and whose numbers no row that stays has used."""
    for item in record.sequences:
        found = session.rows(sql.SQL(_FOUND).format(schema=sql.Literal(item.schema), name=sql.Literal(item.sequence)))
        if found:  # else it went with its table
            yield _restore(session, item, staying, *found[0], dry_run=dry_run)


def _restore(
    session: Session,
    item: UndoSequence,
    staying: Mapping[int, Staying],
    owned: bool,
    increment: int,
    cache: int,
    may: bool,
    *,
    dry_run: bool,
) -> ThingUndone:
    name = sql.Identifier(item.schema, item.sequence)
    if not may:
        return _left(item, "not ours to set")
    if owned and not dry_run:  # with a lock, so that nobody takes a number meanwhile
        session.run(sql.SQL("ALTER SEQUENCE {} CACHE {}").format(name, sql.Literal(cache)))
    key = (item.schema, item.sequence)
    if sequence_states(session, [key])[key] != item.after:
        return _left(item, "used since the run")
    following = item.before.last_value + (increment if item.before.is_called else 0)
    if _is_used(session, name, staying, following, upwards=increment > 0):
        return _left(item, f"rows that stay have numbers from {following:,} on")
    if not dry_run:
        _set(session, name, item.before, owned=owned)
    return ThingUndone(KIND, f"{item.schema}.{item.sequence}", True, f"the next number is {following:,} again")


def _left(item: UndoSequence, why: str) -> ThingUndone:
    return ThingUndone(KIND, f"{item.schema}.{item.sequence}", False, f"left where it is: {why}")


def _is_used(
    session: Session, name: sql.Identifier, staying: Mapping[int, Staying], following: int, *, upwards: bool
) -> bool:
    query = sql.SQL(_COLUMNS).format(sequence=sql.Literal(name.as_string(session.driver)))
    for oid, column in session.rows(query):
        if oid in staying:
            table, stays = staying[oid]
            beyond = sql.SQL("SELECT EXISTS (SELECT FROM {} r WHERE {} AND {} {} {})").format(
                table,
                stays,
                sql.Identifier("r", column),
                sql.SQL(">=" if upwards else "<="),
                sql.Literal(following),
            )
            if session.value(beyond):
                return True
    return False


def _set(session: Session, name: sql.Identifier, state: SequenceState, *, owned: bool) -> None:
    """Where the sequence is ours, this belongs to the transaction: RESTART gives it a new file, which setval fills."""
    if owned:
        session.run(sql.SQL("ALTER SEQUENCE {} RESTART WITH {}").format(name, sql.Literal(state.last_value)))
    session.value(
        sql.SQL("SELECT setval({}::regclass, {}, {})").format(
            sql.Literal(name.as_string(session.driver)), sql.Literal(state.last_value), sql.Literal(state.is_called)
        )
    )
