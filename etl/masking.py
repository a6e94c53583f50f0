"""How a value may be shown to people: shortened, and not at all where the column's name promises a secret."""

import re

SHOWN_CHARACTERS = 60
HIDDEN = "a hidden value"

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_PARTS = ("password", "passwd", "passphrase", "secret", "credential")
_HARMLESS_ENDINGS = ("at", "count", "type")  # token_expires_at holds a time


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
