"""Pairs names of the source with names of the target.

By decision, exactly, by case, cut at PostgreSQL's 63 bytes, by letters and digits alone.

Each step pairs only what is unambiguous on both sides (REACH section 2), and says for each pair how it was found.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl.core.name_map import MatchedBy
from etl.core.target_names import cut


@dataclass(frozen=True)
class Pair:
    """A name of the source, its name in the target, and how the two were matched."""

    source: str
    target: str
    by: MatchedBy


@dataclass(frozen=True)
class Ambiguity:
    """Names that could be each other in more ways than one."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    by: MatchedBy


@dataclass(frozen=True)
class Matching:
    """The pairs in the order of the source's names, and what stays open."""

    pairs: tuple[Pair, ...]
    ambiguities: tuple[Ambiguity, ...]

    @property
    def names(self) -> dict[str, str]:
        """Source name → target name."""
        return {pair.source: pair.target for pair in self.pairs}


def letters_and_digits(name: str) -> str:
    """`AlbumId` and `album_id` become `albumid`; a name without any letter or digit becomes ''."""
    return "".join(character for character in name.lower() if character.isalnum())


def _cut_in_any_case(name: str) -> str:
    return cut(name).lower()


_STEPS: Sequence[tuple[MatchedBy, Callable[[str], str]]] = (
    (MatchedBy.EXACT, str),
    (MatchedBy.CASE, str.lower),
    (MatchedBy.CUT, _cut_in_any_case),
    (MatchedBy.LETTERS, letters_and_digits),
)


def match_names(
    sources: Iterable[str], targets: Iterable[str], *, decided: Mapping[str, str | None] | None = None
) -> Matching:
    """Pairs `sources` with `targets`.

    :param sources: the source's names, in their order.
    :param targets: the target's names.
    :param decided: source name → target name as the user has decided; None leaves a name out.
    :returns: the pairs, and names that fit more than one way; these are paired by no later step either.
    """
    decided = decided or {}
    order = list(sources)
    pairs = {name: Pair(name, target, MatchedBy.MAP) for name, target in decided.items() if target is not None}
    open_sources = [name for name in order if name not in decided]
    taken = {pair.target for pair in pairs.values()}
    open_targets = [name for name in targets if name not in taken]
    ambiguities: list[Ambiguity] = []
    for by, key in _STEPS:
        candidates = _grouped(open_targets, key)
        for value, group in _grouped(open_sources, key).items():
            others = candidates.get(value, [])
            if not value or not others:
                continue
            if len(group) == len(others) == 1:
                pairs[group[0]] = Pair(group[0], others[0], by)
            else:
                ambiguities.append(Ambiguity(tuple(group), tuple(others), by))
            open_sources = [name for name in open_sources if name not in group]
            open_targets = [name for name in open_targets if name not in others]
    return Matching(tuple(pairs[name] for name in order if name in pairs), tuple(ambiguities))


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return dict(groups)
