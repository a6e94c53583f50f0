"""Names for the target: the source's in the style that was chosen, and no two alike."""

import re
from dataclasses import dataclass, field

from etl.core.proposal import NameStyle
from etl.core.source_catalog import fold_ascii
from etl.schema.sql_names import is_reserved

LONGEST_NAME = 63  # bytes
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def styled(name: str, style: NameStyle) -> str:
    """The name in a style: `OrderDetails` → `orderdetails`, or `order_details` in snake case."""
    if style is NameStyle.KEEP:
        return name
    if style is NameStyle.LOWER:
        return fold_ascii(name)
    words = re.sub(r"[\W_]+", "_", _HUMP.sub("_", name)).strip("_")
    return fold_ascii(words) or name


def shortened_name(name: str, suffix: str = "") -> str:
    """The name with a suffix, of at most 63 bytes, and no half characters."""
    room = LONGEST_NAME - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix


@dataclass
class Namespace:
    """Names that must not be alike: relations of a schema, columns or constraints of a table."""

    style: NameStyle
    forbidden: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set)

    def name(self, source: str, *, otherwise: str = "unnamed") -> str:
        """The name that `source` gets; `otherwise` where it is empty. It is taken from then on."""
        return self.take(styled(source, self.style) or otherwise)

    def take(self, wanted: str) -> str:
        """The wanted name, cut where it is too long, with a number behind it where it is taken."""
        found, number = shortened_name(wanted), 1
        if found in self.forbidden:
            found = shortened_name(wanted, "_")
        while found in self.taken:
            number += 1
            found = shortened_name(wanted, f"_{number}")
        self.taken.add(found)
        return found

    def keep(self, decided: str) -> str:
        """A name that the user has decided."""
        self.taken.add(decided)
        return decided


def why_renamed(source: str, name: str, style: NameStyle, forbidden: frozenset[str] = frozenset()) -> str | None:
    """Why a name is not simply the source's in its style; None where it is, and needs no quotes."""
    wanted = styled(source, style)
    if wanted == name:
        return "a reserved word of PostgreSQL: write it between double quotes" if is_reserved(name) else None
    if not wanted:
        return "the name is empty"
    if wanted in forbidden:
        return "PostgreSQL has a column of its own of this name in every table"
    if len(wanted.encode()) > LONGEST_NAME:
        return f"the name is longer than PostgreSQL's {LONGEST_NAME} bytes"
    return "another one has this name already"
