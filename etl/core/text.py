"""Numbers, durations and texts from the data in the form in which people read them; escaping is the renderers' part."""

import difflib
import unicodedata
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import islice

SHOWN_TEXT = 300
NAMES_LISTED = 40
SHOWN_NAME = 90  # PostgreSQL's own limit is 63 bytes
_SYMBOLS = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "␡"}
# Format characters turn the reading direction or hide; separators break lines; the rest has no glyph at all.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str) -> str:
    """The text with every control, format and unassigned character shown as a sign: ␊, ␀, ⟨U+202E⟩."""
    return text if text.isprintable() else "".join(map(_sign, text))


def _sign(character: str) -> str:
    symbol = _SYMBOLS.get(ord(character))
    if symbol is None and unicodedata.category(character) in _UNSEEN:
        return code_point(character)
    return symbol or character


def code_point(character: str) -> str:
    """`⟨U+00E9⟩`."""
    return f"⟨U+{ord(character):04X}⟩"


def shortened(text: str, length: int = SHOWN_TEXT) -> str:
    """At most `length` characters, and how many are left out."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length:,} more characters)"


def name(text: str) -> str:
    """The name of a table, column, sequence or file: visible, and seldom shortened."""
    return visible(shortened(text, SHOWN_NAME))


def readable(text: object) -> str:
    """A text from the data as one short visible line."""
    return visible(shortened(str(text)))


def number(value: float) -> str:
    """`1,234,567`."""
    return f"{value:,}"


def counted(count: int, thing: str, things: str | None = None) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def duration(seconds: float) -> str:
    """`0.02 s`, `1.9 s`, `4 min 7 s`, `9 h`."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{minutes // 60:,} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def shift(seconds: float) -> str:
    """A constant shift of times: `+9 h`, `−0.50 s`."""
    return ("−" if seconds < 0 else "+") + duration(abs(seconds))


def size(count: int) -> str:
    """`487,424 bytes`, `405.1 MB`."""
    return f"{count:,} bytes" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"


def moment(time: datetime) -> str:
    """`2026-11-22 22:43:21 UTC`."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def unknown_names(problem: str, unknown: Collection[str], known: Collection[str]) -> str:
    """Each unknown name with the nearest known one, and what there is.

    `PROBLEM 'usres' (did you mean 'users'?), 'x'. There is: users, logs.`
    """
    named = []
    for name in unknown:
        near = nearest(name, known)
        named.append(f"{name!r}" if near is None else f"{name!r} (did you mean {near!r}?)")
    there = ", ".join(visible(name) for name in islice(known, NAMES_LISTED)) or "none"
    more = f" and {len(known) - NAMES_LISTED:,} more" if len(known) > NAMES_LISTED else ""
    return f"{problem} {', '.join(named)}. There is: {there}{more}."


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`; did you mean 'users'?` for the closest known name, or ''."""
    near = nearest(name, known)
    return "" if near is None else f"; did you mean {near!r}?"


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is spelled most alike, if any is."""
    by_case = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower(), by_case, n=1)
    return by_case[found[0]] if found else None
