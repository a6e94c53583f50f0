"""Staged rows checked set by set, in SQL: types, duplicate keys, rows present, checks, parents, other unique keys.

The same checks serve the load and the forecast of a dry run. In conditions, staged rows are `s`.
"""

from collections.abc import Callable, Sequence

import psycopg2
from psycopg2 import sql

from etl.conversion.families import FAMILIES
from etl.core.errors import TargetError
from etl.core.plan import ColumnPlan
from etl.core.rejects import Fault, RejectRule, RejectStage
from etl.core.tables import Check, ForeignKey, TargetColumn, UniqueKey
from etl.core.types import SERVER_READ, Rewriting, TargetType
from etl.loading.orphans import without_parent
from etl.loading.staging import (
    ROW,
    Present,
    Rewritten,
    Staged,
    Staging,
    all_present,
    compose,
    equal,
    is_checked_by_server,
    staged_type,
)
from etl.target.constraints import OLDER
from etl.target.session import NO_READING_ERRORS, cannot_be_read, concerns_one_row, first_line

RewritingClassifier = Callable[[str, str, TargetType], Rewriting]
"""Says what the server's spelling of a text means for it: the comparison's own code, handed in by the conductor."""

EXAMPLES = 3
# An assignment refuses what is too long, as COPY does; an explicit cast would cut '{abcd}'::varchar(3)[] to {abc}.
_READ_FUNCTION = sql.SQL("CREATE FUNCTION pg_temp.etl_read(value {staged}) RETURNS {type} LANGUAGE plpgsql AS {body}")
_READ_BODY = "DECLARE result {type} := value; BEGIN RETURN result; END"
# To a variable of a composite type no text can be assigned. A cast does not cut its fields: they are read one by one.
_READ_COMPOSITE_BODY = "BEGIN RETURN value::{type}; END"
_IS_COMPOSITE = sql.SQL(
    "SELECT 'c' IN (t.typtype, b.typtype) FROM pg_type t LEFT JOIN pg_type b ON b.oid = t.typbasetype "
    "WHERE t.oid = {}::regtype"
)
# One subtransaction a value, which is why it runs only where a column as a whole could not be read. PostgreSQL 16 has
# pg_input_is_valid, but 15 has not, and it knows no CHECKs of domains.
_INPUT_ERROR_FUNCTION = sql.SQL(
    """
CREATE FUNCTION pg_temp.etl_input_error(value {staged}) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    said text;
BEGIN
    EXECUTE 'SELECT pg_temp.etl_read($1)' USING value;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE ~ '^({serious})' THEN
        RAISE;
    END IF;
    said := SQLERRM;
    BEGIN
        RETURN convert_from(textsend(said), pg_client_encoding());
    EXCEPTION WHEN character_not_in_repertoire THEN
        RETURN 'PostgreSQL cannot read it';  -- it names a part of a character, which nobody could read either
    END;
END $$
"""
)


def check_types(stage: Staging, classify: RewritingClassifier) -> None:
    """Values that only the server can read; afterwards each column has its own type."""
    for column in stage.columns:
        if is_checked_by_server(column.type):
            _check_type(stage, column, classify)


def check_alone(stage: Staging, set_aside: "Callable[[Staging], Present] | None" = None) -> None:
    """All else that can be said without looking at other tables: duplicate keys, rows present, checks.

    `set_aside` deals with the rows whose key the target has; by default they are present, and not loaded.
    """
    stage.run("ANALYZE {}", stage.name)
    if stage.plan.key and not stage.keys_ascend:
        _check_duplicates(stage, "primary key", [column.target for column in stage.plan.key], _key_name(stage))
    stage.present = (set_aside or _set_present_aside)(stage)
    checks = [check for check in stage.plan.target.checks if set(check.columns) <= stage.names]
    for place, check in enumerate(checks):
        _check_check(stage, check, checks[place + 1 :])


def _check_type(stage: Staging, column: ColumnPlan, classify: RewritingClassifier) -> None:
    """Values that PostgreSQL's own input refuses or bends; then the column takes its true type."""
    staged = staged_type(column.type).sql
    name, type_ = sql.Identifier(column.target), sql.SQL(column.type.sql)
    composite = (stage.session.rows(_IS_COMPOSITE.format(sql.Literal(column.type.sql))) or [(False,)])[0][0]
    # The body as a literal: a type's name may hold any mark between which it could stand.
    body = (_READ_COMPOSITE_BODY if composite else _READ_BODY).replace("{type}", column.type.sql)
    stage.session.run(_READ_FUNCTION.format(staged=sql.SQL(staged), type=type_, body=sql.Literal(body)))
    found = _reading_error(stage, column)
    if found is not None:
        serious = sql.SQL("|".join(NO_READING_ERRORS))
        stage.session.run(_INPUT_ERROR_FUNCTION.format(staged=sql.SQL(staged), serious=serious))
        error = compose("pg_temp.etl_input_error({})", name)
        _refuse_type(stage, column, found, error)
        words = f"not accepted as {column.type.sql}"
        fault = Fault(RejectStage.CONVERT, RejectRule.NOT_ACCEPTED, column.source, words)
        stage.reject(compose("{} IS NOT NULL", error), fault, error)
        stage.session.run(sql.SQL("DROP FUNCTION pg_temp.etl_input_error"))
    _check_rewriting(stage, column, classify)
    stage.run("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING pg_temp.etl_read({})", stage.name, name, type_, name)
    stage.session.run(sql.SQL("DROP FUNCTION pg_temp.etl_read"))


def _check_rewriting(stage: Staging, column: ColumnPlan, classify: RewritingClassifier) -> None:
    """Refuses what the server would write back with another meaning, and counts other spellings of the same."""
    checked = column.type.needs_server
    if not (checked or FAMILIES[column.type.kind].canonical):
        return
    name = sql.Identifier(column.target)
    others = stage.session.rows(
        compose(
            "SELECT stored, written, count(*) "
            "FROM (SELECT {0} AS stored, pg_temp.etl_read({0})::text AS written FROM {1}) s "
            "WHERE stored <> written GROUP BY 1, 2 ORDER BY 3 DESC, 1",
            name,
            stage.name,
        )
    )
    bent = [
        stored for stored, written, _ in others if checked and classify(stored, written, column.type) is Rewriting.BENT
    ]
    if bent:
        words = f"PostgreSQL would keep another value than this {column.type.sql}"
        fault = Fault(RejectStage.CONVERT, RejectRule.KEPT_OTHERWISE, column.source, words)
        detail = compose("{} || pg_temp.etl_read(s.{})::text", sql.Literal("PostgreSQL would keep this as "), name)
        stage.reject(compose("s.{} = ANY({})", name, sql.Literal(bent)), fault, detail)
    kept = [(stored, written, rows) for stored, written, rows in others if stored not in set(bent)]
    if kept:
        examples = tuple((stored, written) for stored, written, _ in kept[:EXAMPLES])
        stage.rewritten.append(Rewritten(column.source, sum(rows for _, _, rows in kept), examples))


def _reading_error(stage: Staging, column: ColumnPlan) -> psycopg2.Error | None:
    """The first error that the type's input has for the column; None where it takes every value."""
    try:
        with stage.session.savepoint():
            stage.run("SELECT count(pg_temp.etl_read({})) FROM {}", sql.Identifier(column.target), stage.name)
    except psycopg2.Error as error:
        if concerns_one_row(error) or cannot_be_read(error):
            return error
        raise _cannot_fill(stage, column, error) from error
    return None


def _refuse_type(stage: Staging, column: ColumnPlan, error: psycopg2.Error, refused: sql.Composable) -> None:
    """Raises `TargetError` where the type takes no value at all since the server was built without it.

    `refused` is NULL for a value that it takes.
    """
    if not isinstance(error, psycopg2.errors.FeatureNotSupported):
        return
    if not stage.session.value(compose("SELECT EXISTS (SELECT FROM {} WHERE {} IS NULL)", stage.name, refused)):
        raise _cannot_fill(stage, column, error) from error


def _cannot_fill(stage: Staging, column: ColumnPlan, error: psycopg2.Error) -> TargetError:
    place = f"{stage.plan.name}.{column.source}"
    return TargetError(f"The column {place} ({column.type.sql}) cannot be filled: {first_line(error)}.")


def _check_duplicates(
    stage: Staging,
    what: str,
    names: Sequence[str],
    constraint: str,
    *,
    nulls_distinct: bool = True,
) -> None:
    """Of rows that share a key within the source the first stays, and of those first the ones whose keys no repair has
    altered; a column that is not staged is NULL in all."""
    keys = sql.SQL(", ").join(sql.Identifier(name) if name in stage.names else sql.SQL("NULL::text") for name in names)
    present = all_present(names) if nulls_distinct else sql.SQL("true")
    exists = compose(
        "SELECT EXISTS (SELECT FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1)", stage.name, present, keys
    )
    if not stage.session.value(exists):
        return
    row = sql.Identifier(ROW)
    # A row whose key a repair has altered gives way to one that has it of its own.
    altered = compose("{} = ANY({}::bigint[]), ", row, sql.Literal(sorted(stage.altered_keys)))
    first = compose(
        "(SELECT {row}, first_value({row}) OVER (PARTITION BY {keys} ORDER BY {altered}{row}) AS first_row "
        "FROM {stage} WHERE {present})",
        row=row,
        altered=altered if stage.altered_keys else sql.SQL(""),
        keys=keys,
        stage=stage.name,
        present=present,
    )
    words = f"{what} {constraint} is taken by another row of the source"
    stage.reject(
        compose("s.{row} = o.{row} AND o.first_row <> o.{row}", row=row),
        Fault(RejectStage.LOAD, RejectRule.DUPLICATE_IN_SOURCE, stage.source_name(names[0]), words),
        compose("{} || o.first_row", sql.Literal(f"{what} {constraint} is taken by row number ")),
        using=first,
    )


def _set_present_aside(stage: Staging) -> Present:
    if not stage.session.value(compose("SELECT EXISTS (SELECT FROM {})", stage.target)):
        return Present()
    if not stage.plan.key:
        return _set_present_copies_aside(stage)
    if stage.plan.target.written_by:
        names = [column.target for column in stage.plan.key]
        _reject_written(stage, equal(names, "s", "o"), names[0], f"key {_key_name(stage)}")
    same_key = equal([column.target for column in stage.plan.key], "s", "t")
    differs = sql.SQL(" OR ").join([_differs(column) for column in stage.columns])
    staged, found, different = stage.session.rows(
        compose(
            "SELECT count(*), count({key}), count(*) FILTER (WHERE {key} IS NOT NULL AND ({differs})) "
            "FROM {stage} s LEFT JOIN {target} t ON {same_key}",
            key=sql.Identifier("t", stage.plan.key[0].target),
            differs=differs,
            stage=stage.name,
            target=stage.target,
            same_key=same_key,
        )
    )[0]
    if found == staged:
        stage.run("TRUNCATE {}", stage.name)
    elif found:
        stage.run("DELETE FROM {} s USING {} t WHERE {}", stage.name, stage.target, same_key)
    return Present(found, different)


def _set_present_copies_aside(stage: Staging) -> Present:
    """A table without a key: as many equal rows as the target has are present, the rest is to be loaded."""
    content = sql.SQL("ROW({})::text").format(
        sql.SQL(", ").join(sql.Identifier(column.target) for column in stage.columns)
    )
    row = sql.Identifier(ROW)
    deleted = stage.run(
        "DELETE FROM {0} s USING "
        "(SELECT {1}, {2} AS content, row_number() OVER (PARTITION BY {2} ORDER BY {1}) AS n FROM {0}) mine "
        "JOIN (SELECT {2} AS content, count(*) AS n FROM {3} GROUP BY 1) theirs USING (content) "
        "WHERE s.{1} = mine.{1} AND mine.n <= theirs.n",
        stage.name,
        row,
        content,
        stage.target,
    )
    return Present(deleted, 0)


def _check_check(stage: Staging, check: Check, others: Sequence[Check]) -> None:
    """Rejects what breaks the check, and names the `others` that it breaks too."""
    also = [_broken(stage, other) for other in others]
    for further in (also, []) if also else ([],):
        try:
            with stage.session.savepoint():
                condition, fault = _broken(stage, check)
                stage.reject(condition, fault, also=further)
        except psycopg2.Error as error:
            if not concerns_one_row(error):
                raise  # else: an expression fails for some row; inserting will find out for which
        else:
            return


def _broken(stage: Staging, check: Check) -> tuple[sql.Composable, Fault]:
    column = stage.source_name(check.columns[0]) if check.columns else None
    words = f"violates CHECK constraint {check.name}: {check.definition}"
    return compose("NOT ({})", sql.SQL(check.expression)), Fault(RejectStage.LOAD, RejectRule.CHECK, column, words)


def check_parents(stage: Staging, staged: Staged) -> int:
    """Rows whose parent neither is in the target nor may still come; returns how many were found."""
    keys = [key for key in stage.plan.target.foreign_keys if set(key.columns) <= stage.names]
    orphans = [(_is_orphan(key, staged), _without_parent(stage, key)) for key in keys]
    found = 0
    for place, (condition, fault) in enumerate(orphans, start=1):
        found += stage.reject(condition, fault, also=orphans[place:])
    return found


def _is_orphan(key: ForeignKey, staged: Staged) -> sql.Composable:
    condition = without_parent(key, staged)
    if key.match_full:
        some = sql.SQL(", ").join(map(sql.Identifier, key.columns))
        condition = compose(
            "({}) OR num_nulls({}) BETWEEN 1 AND {}", condition, some, sql.Literal(len(key.columns) - 1)
        )
    return condition


def check_blocked(stage: Staging) -> None:
    """Rows whose other unique values are taken, by a row of the target or by an earlier one of the source."""
    for unique in other_uniques(stage):
        _check_unique(stage, unique)


def other_uniques(stage: Staging) -> list[UniqueKey]:
    """The unique keys beside the one that rows are matched by, so far as the staged columns decide them."""
    nulls = {column.name for column in stage.plan.target.columns if _stays_null(column, stage.names)}
    return [
        unique
        for unique in stage.plan.target.keys
        if set(unique.columns) <= (stage.names if unique.nulls_distinct else stage.names | nulls)
        and unique.columns != tuple(column.target for column in stage.plan.key)
    ]


def _stays_null(column: TargetColumn, staged: set[str]) -> bool:
    """Whether every new row has NULL there: nothing is loaded into the column, and nothing fills it."""
    return column.name not in staged and not column.has_default and not column.generated


def _check_unique(stage: Staging, unique: UniqueKey) -> None:
    same = same_unique(stage, unique)
    if stage.plan.target.written_by:
        what = f"unique constraint {unique.name} ({', '.join(unique.columns)})"
        _reject_written(stage, same, unique.columns[0], f"blocked: {what}")
    reject_blocked(stage, unique, same)
    check_unique_in_stage(stage, unique)


def same_unique(stage: Staging, unique: UniqueKey) -> sql.Composable:
    """Whether a staged row `s` and a row `o` of the target have the same values of a unique key."""
    if unique.nulls_distinct:
        return equal(unique.columns, "s", "o")
    return sql.SQL(" AND ").join(
        sql.SQL("s.{0} IS NOT DISTINCT FROM o.{0}" if name in stage.names else "o.{0} IS NULL").format(
            sql.Identifier(name)
        )
        for name in unique.columns
    )


def reject_blocked(stage: Staging, unique: UniqueKey, condition: sql.Composable) -> int:
    """Rejects staged rows `s` in whose way a row `o` of the target is; returns how many."""
    what = f"unique constraint {unique.name} ({', '.join(unique.columns)})"
    words = f"blocked: {what} is taken by another row of the target"
    return stage.reject(
        condition,
        Fault(RejectStage.LOAD, RejectRule.BLOCKED, stage.source_name(unique.columns[0]), words),
        compose("{} || {}", sql.Literal(f"blocked: {what} is taken by the target's row with "), _key_text(stage, "o")),
        using=stage.target,
    )


def check_unique_in_stage(stage: Staging, unique: UniqueKey) -> None:
    """Rejects staged rows whose unique values an earlier one of the source has."""
    _check_duplicates(
        stage,
        "unique constraint",
        unique.columns,
        f"{unique.name} ({', '.join(unique.columns)})",
        nulls_distinct=unique.nulls_distinct,
    )


def _reject_written(stage: Staging, same: sql.Composable, column: str, what: str) -> None:
    """Rows whose place is taken by one that a trigger of the target has written while this load went on."""
    triggers = ", ".join(stage.plan.target.written_by)
    words = (
        f"{what} is taken by a row that a trigger of the target has written in this load ({triggers}); "
        "ALTER TABLE … DISABLE TRIGGER for the time of the load, or --disable-triggers"
    )
    newer = sql.SQL(f"NOT ({OLDER.replace('xmin', 'o.xmin')})")
    condition = compose("{} AND {}", same, newer)
    fault = Fault(RejectStage.LOAD, RejectRule.BLOCKED_BY_TRIGGER, stage.source_name(column), words)
    stage.reject(condition, fault, using=stage.target)


def _without_parent(stage: Staging, key: ForeignKey) -> Fault:
    """The fault of rows without a parent; whether that was rejected or never was, only the source can tell."""
    words = f"foreign key {key.name}: no such row in {key.parent}"
    column = stage.source_name(key.columns[0])
    return Fault(RejectStage.LOAD, RejectRule.PARENT_MISSING, column, words, constraint=key.name)


def _key_text(stage: Staging, alias: str) -> sql.Composable:
    """`id = 7, part = x` of the target's row, for a message."""
    if not stage.plan.key:
        return sql.Literal("the same values")
    return sql.SQL(" || ', ' || ").join(
        compose(
            "{} || coalesce({}::text, 'NULL')",
            sql.Literal(f"{column.target} = "),
            sql.Identifier(alias, column.target),
        )
        for column in stage.plan.key
    )


def _key_name(stage: Staging) -> str:
    primary = stage.plan.target.primary_key
    names = ", ".join(column.target for column in stage.plan.key)
    return f"{primary.name} ({names})" if primary else f"({names})"


def _differs(column: ColumnPlan) -> sql.Composable:
    """Whether the two sides of a column differ; json and types that may lack an equality are compared by their text."""
    name = sql.Identifier(column.target)
    cast = {"json": "::jsonb"}.get(column.type.base, "::text" if column.type.kind in SERVER_READ else "")
    return sql.SQL("s.{0}{1} IS DISTINCT FROM t.{0}{1}").format(name, sql.SQL(cast))
