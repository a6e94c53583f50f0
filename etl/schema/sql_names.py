"""Names as SQL for PostgreSQL: between double quotes where they need them."""

from sqlalchemy.dialects import postgresql

_PREPARER = postgresql.dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]


def sql_name(name: str) -> str:
    """The name as SQL: `order_details`, `"Order Details"`, and `"order"`, as reserved words need quotes too."""
    return str(_PREPARER.quote(name))


def is_reserved(name: str) -> bool:
    """Whether it is a word that PostgreSQL keeps for itself."""
    return name in _PREPARER.reserved_words
