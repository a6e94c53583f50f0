"""Damages to the sample, one for each kind of difference, by which the self-test puts the comparison to the test."""

from collections.abc import Sequence
from dataclasses import dataclass

from etl.core.difference_kinds import DifferenceKind


@dataclass(frozen=True)
class Damage:
    """One way to spoil rows. `kind` None is what must not be found: the same value in another spelling.

    `change` is SQL for the new value of `column` in the rows that meet `where`; it is done to the source where
    `in_source`, since some losses can only be staged there. Without a column, `statement` is the whole SQL.
    """

    kind: DifferenceKind | None
    words: str
    table: str
    column: str | None = None
    change: str = ""
    where: str = "true"
    rows: int = 3
    in_source: bool = False
    statement: str = ""
    whole_column: bool = False

    @property
    def sql(self) -> str:
        """The statement, for SQLite or PostgreSQL."""
        if self.statement:
            return self.statement
        chosen = f'SELECT id FROM "{self.table}" WHERE {self.where} ORDER BY id LIMIT {self.rows}'
        return f'UPDATE "{self.table}" SET "{self.column}" = {self.change} WHERE id IN ({chosen})'


EVERY_ROW = 1_000_000
SAMPLE_DAMAGES: Sequence[Damage] = (
    Damage(
        DifferenceKind.CHANGED_TEXT,
        "a word added to texts",
        "conversation_messages",
        "content",
        "content || ' indeed'",
    ),
    Damage(
        DifferenceKind.WHITESPACE,
        "spaces doubled",
        "conversation_sessions",
        "title",
        "replace(title, ' ', '  ')",
        "title LIKE '% %'",
    ),
    Damage(
        DifferenceKind.CASE,
        "letters made capital",
        "custom_agents",
        "name",
        "upper(name)",
        "upper(name) <> name",
    ),
    Damage(
        DifferenceKind.NORMALISATION,
        "letters decomposed (NFD)",
        "conversation_messages",
        "thinking",
        "normalize(thinking, NFD)",
        "normalize(thinking, NFD) <> thinking",
    ),
    Damage(
        DifferenceKind.NUL_REMOVED,
        "NUL characters dropped",
        "agent_usage_logs",
        "query",
        "substr(query, 1, 2) || char(0) || substr(query, 3)",
        "length(query) > 3",
        in_source=True,
    ),
    Damage(
        DifferenceKind.TRUNCATED,
        "texts cut off",
        "canvas_documents",
        "content",
        "left(content, 5)",
        "length(content) > 10",
    ),
    Damage(
        DifferenceKind.LOST_DIGITS,
        "decimals cut off",
        "api_usage",
        "avg_response_time",
        "trunc(avg_response_time)",
        "avg_response_time > 1 AND trunc(avg_response_time) <> avg_response_time",
    ),
    Damage(
        DifferenceKind.BOOLEAN_FLIPPED,
        "true made false, and the other way round",
        "agent_usage_logs",
        "success",
        "NOT success",
        "success IS NOT NULL",
    ),
    Damage(
        DifferenceKind.TIME_SHIFTED,
        "a whole column nine hours later",
        "audit_logs",
        "timestamp",
        "timestamp + interval '9 hours'",
        "timestamp IS NOT NULL",
        rows=EVERY_ROW,
        whole_column=True,
    ),
    Damage(
        DifferenceKind.LOST_SUBSECONDS,
        "fractions of seconds dropped",
        "conversation_messages",
        "created_at",
        "date_trunc('second', created_at)",
        "date_trunc('second', created_at) <> created_at",
    ),
    Damage(
        DifferenceKind.JSON_CHANGED,
        "a JSON document wrapped into another",
        "audit_logs",
        "details",
        "jsonb_build_object('wrapped', details)",
        "details IS NOT NULL",
    ),
    Damage(
        None,
        "a JSON document laid out differently",
        "conversation_sessions",
        "metadata",
        "' ' || json(metadata) || '  '",
        "metadata IS NOT NULL",
        in_source=True,
    ),
    Damage(
        DifferenceKind.NULL_AGAINST_VALUE,
        "values made NULL",
        "agent_feedback",
        "comment",
        "NULL",
        "comment IS NOT NULL",
    ),
    Damage(
        DifferenceKind.OTHER,
        "numbers raised by a thousand",
        "research_steps",
        "step_number",
        "step_number + 1000",
    ),
    Damage(
        DifferenceKind.MISSING,
        "rows deleted",
        "memory_tags",
        statement="DELETE FROM memory_tags WHERE id IN (SELECT id FROM memory_tags ORDER BY id LIMIT 3)",
    ),
    Damage(
        DifferenceKind.EXTRA,
        "rows added",
        "alert_history",
        statement="INSERT INTO alert_history (type, severity, title) VALUES ('x', 'info', 'y'), ('x', 'info', 'z')",
    ),
)
