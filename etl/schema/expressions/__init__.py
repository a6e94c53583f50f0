"""SQLite's expressions in PostgreSQL's words.

In: the text of a CHECK, a DEFAULT, a generated column, an index or a view, and what is known of the columns' types and
values. Out: `Translated`, or `NotTranslatable` with the reason. No database is asked.

sqlglot parses the text; what comes out is written here, node by node, and only for nodes of which it is known that both
databases agree. So nothing is ever passed through.
"""

from etl.schema.expressions.implied import implied_by_type
from etl.schema.expressions.translate import (
    translate_check,
    translate_default,
    translate_generated,
    translate_index,
    translate_where,
)
from etl.schema.expressions.values import Column, NotTranslatable, Table, Translated, TranslatedView
from etl.schema.expressions.views import translate_view

__all__ = [
    "Column",
    "NotTranslatable",
    "Table",
    "Translated",
    "TranslatedView",
    "implied_by_type",
    "translate_check",
    "translate_default",
    "translate_generated",
    "translate_index",
    "translate_view",
    "translate_where",
]
