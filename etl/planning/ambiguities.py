"""Refuses names that could be each other in more ways than one: the user's map decides about them."""

from collections.abc import Sequence

from etl.core.errors import DriftError
from etl.planning.matching import Ambiguity


def refuse_ambiguities(ambiguities: Sequence[Ambiguity], what: str) -> None:
    """Raises `DriftError` for names of a `what` ("table") that fit in more ways than one."""
    if ambiguities:
        lines = "\n".join(f"  {_words(item, what)}" for item in ambiguities)
        raise DriftError(
            f"Names that fit in more ways than one (they are the same by {', '.join(_steps(ambiguities))}):\n{lines}\n"
            "Nothing was written."
        )


def _steps(ambiguities: Sequence[Ambiguity]) -> list[str]:
    return list(dict.fromkeys(str(item.by) for item in ambiguities))


def _words(item: Ambiguity, what: str) -> str:
    sources, targets = ", ".join(map(repr, item.sources)), ", ".join(map(repr, item.targets))
    return (
        f"The {what} {item.sources[0]!r} could be any of {targets} in the target ({sources} in the source): "
        "say in a map which belongs to which, with --map FILE, or rename one of them."
    )
