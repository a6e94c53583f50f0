"""Pairs names of the source with names of the target: exactly, else but for case where that is unambiguous."""

from collections.abc import Iterable

from etl.core.errors import DriftError


def match_names(wanted: Iterable[str], available: Iterable[str], what: str) -> dict[str, str]:
    """Names of the source → names of the target, in the order of the former.

    Raises `DriftError` where a `what` ("table") could be any of several.
    """
    wanted, available = list(wanted), list(available)
    pairs = {name: name for name in wanted if name in available}
    taken = set(pairs.values())
    for name in wanted:
        if name in pairs:
            continue
        candidates = [other for other in available if other not in taken and other.lower() == name.lower()]
        rivals = [other for other in wanted if other not in pairs and other.lower() == name.lower()]
        if len(candidates) > 1 or (candidates and len(rivals) > 1):
            raise DriftError(
                f"The {what} {name!r} could be any of {', '.join(map(repr, candidates))} in the target "
                f"({', '.join(map(repr, rivals))} in the source); rename one of them."
            )
        if candidates:
            pairs[name] = candidates[0]
            taken.add(candidates[0])
    return {name: pairs[name] for name in wanted if name in pairs}
