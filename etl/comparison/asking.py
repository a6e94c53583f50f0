"""What PostgreSQL says about texts of the source: how it would print them.

It reads leniently, and a cast may shorten: what it prints has to be checked by our own reading.
"""

from collections.abc import Sequence

import psycopg2
from psycopg2 import sql

from etl.comparison.families import family_of
from etl.comparison.large import bounded_sql, digest_sql
from etl.core.types import Kind, TargetType
from etl.core.values import LargeText
from etl.target.session import Session, cannot_be_read, concerns_one_row

_V = sql.Identifier("v")


def spellings(session: Session, target: TargetType, texts: Sequence[str]) -> list[bytes | None]:
    """How PostgreSQL prints each text once it has read it as `target`; None for what it does not accept."""
    if not texts:
        return []
    if len(texts) == 1 and "\0" in texts[0]:
        return [None]
    if not any("\0" in text for text in texts):
        query = sql.SQL("SELECT {} FROM unnest({}::text[]) WITH ORDINALITY AS x(v, n) ORDER BY n")
        spelling = bounded_sql(family_of(target).asked(_V, target))
        try:
            with session.savepoint():
                rows = session.rows(query.format(spelling, sql.Literal(list(texts))))
            return [str(row[0]).encode() for row in rows]
        except psycopg2.Error as error:
            if not (concerns_one_row(error) or cannot_be_read(error)):
                raise
            if len(texts) == 1:
                return [None]
    middle = len(texts) // 2
    return spellings(session, target, texts[:middle]) + spellings(session, target, texts[middle:])


def large_spelling(session: Session, target: TargetType, text: LargeText) -> bytes | None:
    """The same for a large text."""
    return _large_answer(session, text, bounded_sql(family_of(target).asked(_V, target)))


def large_digest(session: Session, target: TargetType, text: LargeText) -> bytes | None:
    """The digest of how PostgreSQL prints a large text, as it stands in a mark."""
    return _large_answer(session, text, digest_sql(family_of(target).asked(_V, target)))


def keeps_large(session: Session, target: TargetType, text: LargeText) -> bool:
    """Whether what PostgreSQL reads in a large text is what was stored.

    JSON holds no key twice; of other types it prints the same characters, apart from white space, quotes and escapes.
    """
    if target.kind is Kind.JSON:
        return family_of(target).keeps(str(text), "", target)
    spelled = family_of(target).asked(_V, target)
    return _large_answer(session, text, sql.SQL("{} = {}").format(_bare(_V), _bare(spelled))) == b"True"


def _bare(text: sql.Composable) -> sql.Composable:
    return sql.SQL("translate({}, {}, '')").format(text, sql.Literal(' \t\n\r\v\f"\\'))


def _large_answer(session: Session, text: LargeText, answer: sql.Composable) -> bytes | None:
    """What PostgreSQL says about a large text, `v` in `answer`; None for what it does not accept.

    It reaches the server in parts, as settings of the transaction: a statement would be copied half a dozen times on
    its way, and a read-only transaction has no other place for it.
    """
    if b"\0" in text.utf8:
        return None
    names: list[str] = []
    for place, part in enumerate(text.parts()):
        names.append(f"etl.part_{place}")
        _set(session, names[-1], part)
    whole = sql.SQL(" || ").join(sql.SQL("current_setting({})").format(sql.Literal(name)) for name in names)
    query = sql.SQL("SELECT {} FROM (SELECT ({}) AS v OFFSET 0) read_once").format(answer, whole)
    try:
        with session.savepoint():
            return str(session.value(query)).encode()
    except psycopg2.Error as error:
        if not concerns_one_row(error):
            raise
        return None
    finally:
        for name in names:
            _set(session, name, "")


def _set(session: Session, name: str, value: str) -> None:
    session.value(sql.SQL("SELECT set_config({}, {}, true) IS NULL").format(sql.Literal(name), sql.Literal(value)))
