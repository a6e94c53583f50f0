"""The words and numbers of a text that only the server can read.

Two such texts are taken for the same if they hold the same words and the same numbers, however often each, whatever
white space, quotes and marks of lists stand between them. Everything else is another meaning: in doubt it is not the
same.
"""

import re
from collections import Counter
from decimal import Decimal

# A number stands alone: no letter or digit touches it, and it does not begin with zeros, as a code may. Words and signs
# carry meaning; white space, quotes, brackets and the marks of lists only part them.
_TOKEN = re.compile(
    r"(?P<number>(?<![\w.])[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?(?![\w.]))"
    r"|(?P<word>\w+|[^\s,;:.'\"(){}\[\]])"
)


def tokens(text: str) -> Counter[str | Decimal]:
    """The words and signs of a text, and its numbers by their exact value, each with how often it occurs."""
    return Counter(Decimal(found["number"]) if found["number"] else found["word"] for found in _TOKEN.finditer(text))
