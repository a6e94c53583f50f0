"""What PostgreSQL makes of names, whoever gives them."""

NAME_BYTES = 63  # PostgreSQL cuts longer ones (NAMEDATALEN - 1)
# A table may not have a column of such a name (PostgreSQL documentation, 5.6).
SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})


def cut(name: str, most_bytes: int = NAME_BYTES) -> str:
    """The beginning of a name that is no longer in UTF-8, as PostgreSQL keeps it; no character is cut in two."""
    return name.encode()[:most_bytes].decode(errors="ignore")
