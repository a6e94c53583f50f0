"""How a value may be shown to people: shortened, harmless, and not at all where its column's name promises a secret."""

import re

SHOWN_CHARACTERS = 60
HIDDEN = "a hidden value"

# Beyond those below U+0020, which JSON itself forbids: DEL, the second set of controls, and what turns the direction.
_CONTROLS = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_PARTS = ("password", "passwd", "passphrase", "secret", "credential")
_HARMLESS_ENDINGS = ("at", "count", "type")  # token_expires_at holds a time


def printable(text: object) -> str:
    """Text from the data without control characters, which a terminal might obey."""
    return "".join(character if character.isprintable() else "�" for character in str(text))


def with_controls_escaped(document: bytes) -> bytes:
    """A JSON document in which every control and format character is written as an escape; it means the same."""
    text = document.decode()
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() if _CONTROLS.search(text) else document


def is_secret(column: str) -> bool:
    """True where the column's name says that its values are nobody's to read: password, token, secret and the like.

    A word that ends in "token" counts, "tokens" does not: `max_tokens` and `tokens_used` are plain numbers.
    """
    words = [word.lower() for word in _WORD.findall(column)]
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    return any(part in column.lower() for part in _SECRET_PARTS) or any(word.endswith("token") for word in words)


def shown(value: object, *, column: str) -> str:
    """The value as one line of at most 60 characters; a fixed phrase for secret columns.

    Text is quoted with its control characters escaped, bytes appear as SQL's hexadecimal literal.
    """
    if is_secret(column):
        return HIDDEN
    if isinstance(value, bytes):
        return _shortened(f"x'{value[:SHOWN_CHARACTERS].hex()}'")
    # No more than 60 characters of a long text are looked at; one more shows that it was cut.
    return _shortened(repr(value[: SHOWN_CHARACTERS + 1] if isinstance(value, str) else value))


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 2] + "…" + text[-1]
