"""JSON texts altered where they stand: all that a repair does not concern stays letter by letter as it was."""

import json
from dataclasses import dataclass, field

from etl.conversion.casts.json_text import ESCAPE, TOKEN


def without_nul(text: str) -> str:
    """The text without U+0000, be it written as it is or as an escape."""
    plain = text.replace("\0", "")
    return ESCAPE.sub(lambda found: "" if found[1] == "0000" else found[0], plain) if "\\u0000" in plain else plain


def without_lone_surrogates(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair that stands alone."""
    return ESCAPE.sub(lambda found: "\\ufffd" if found[1] and _is_surrogate(found[1]) else found[0], text)


def _is_surrogate(digits: str) -> bool:
    return 0xD800 <= int(digits, 16) <= 0xDFFF


@dataclass
class _Open:
    """An object or array that is read: its finished members, each with its key if it has one, and the one at hand."""

    mark: str
    members: list[tuple[str | None, str]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    key: str | None = None

    def finish_member(self) -> None:
        if self.parts:
            self.members.append((self.key, "".join(self.parts)))
        self.parts, self.key = [], None


def with_each_key_once(text: str, *, last: bool) -> str:
    """A valid document in which each object keeps the first or the `last` of members with equal keys."""
    opened = [_Open("")]
    for token in TOKEN.finditer(text):
        found, top = token[0].strip(), opened[-1]
        if found in ("{", "["):
            opened.append(_Open(found))
        elif found == ",":
            top.finish_member()
        elif found == ":":
            top.key = json.loads("".join(top.parts))
            top.parts.append(found)
        elif found in ("}", "]"):
            top.finish_member()
            opened.pop()
            members = _each_once(top, last=last) if found == "}" else [member for _, member in top.members]
            opened[-1].parts.append(top.mark + ",".join(members) + found)
        else:
            top.parts.append(found)
    return "".join(opened[0].parts)


def _each_once(found: _Open, *, last: bool) -> list[str]:
    kept: dict[str | None, str] = {}
    for key, member in found.members:
        if last or key not in kept:
            kept[key] = member
    return list(kept.values())


def elements_of(text: str) -> list[str] | None:
    """The texts of the elements of a valid document that is an array; None where it is another one."""
    elements: list[str] = []
    depth = start = 0
    for token in TOKEN.finditer(text):
        mark = token["mark"] or ""
        if depth == 0 and mark != "[":
            return None
        if depth == 1 and mark in (",", "]"):
            elements.append(text[start : token.start()])
        depth += (mark in ("[", "{") and bool(mark)) - (mark in ("]", "}") and bool(mark))
        if depth == 1 and mark in ("[", ","):
            start = token.end()
    return [element.strip() for element in elements] if elements != [""] else []
