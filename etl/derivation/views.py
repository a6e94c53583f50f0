"""Views in PostgreSQL's words, each behind those that it reads."""

from collections.abc import Mapping, Sequence

from etl.core.proposal import NameStyle, NotCarried, ObjectKind, ProposedConstraint
from etl.core.source_catalog import CatalogObject
from etl.core.source_tables import quoted
from etl.derivation.names import Names, styled
from etl.derivation.tables import Draft
from etl.schema.expressions import NotTranslatable, Table, translate_view


def propose_views(
    views: Sequence[CatalogObject], drafts: Mapping[str, Draft], relations: Names, style: NameStyle
) -> tuple[tuple[ProposedConstraint, ...], tuple[NotCarried, ...]]:
    """The views that can be carried, in the order in which they are made, and the others.

    :param views: the source's views.
    :param drafts: the tables, by name.
    :param relations: names of tables, views and indexes given out so far.
    :param style: how names are carried.
    """
    known = {name: Table(draft.name, draft.expression_columns()) for name, draft in drafts.items()}
    made: list[ProposedConstraint] = []
    waiting = {view.name: view for view in views}
    reasons: dict[str, str] = {}
    while waiting:
        before = len(waiting)
        for view in list(waiting.values()):
            found = translate_view(view.sql, known, rename=lambda name: styled(name, style))
            if isinstance(found, NotTranslatable):
                reasons[view.name] = found.reason
                continue
            name = relations.give(styled(view.name, style))
            known[view.name] = Table(name, found.columns)
            sql = f"CREATE VIEW {quoted(name)} AS {found.sql}"
            made.append(ProposedConstraint(ObjectKind.VIEW, name, name, sql, view.sql))
            del waiting[view.name]
        if len(waiting) == before:
            break
    lost = [NotCarried(ObjectKind.VIEW, None, name, view.sql, reasons[name]) for name, view in waiting.items()]
    return tuple(made), tuple(lost)
