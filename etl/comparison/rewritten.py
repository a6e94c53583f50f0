"""Whether the server's spelling of a text still means the text, for types that only the server can read.

Two texts are taken for the same if they hold the same words and the same numbers, however often each, whatever white
space, quotes and marks of lists stand between them. Everything else is another meaning: in doubt it is not the same.
"""

import re
from collections import Counter
from decimal import Decimal

from etl.core.types import Rewriting

# A number stands alone: no letter or digit touches it. Words and signs carry meaning; white space, quotes, brackets and
# the marks of lists only part them.
_TOKEN = re.compile(
    r"(?P<number>(?<![\w.])[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))"
    r"|(?P<word>\w+|[^\s,;:.'\"(){}\[\]])"
)


def judge_rewritten(stored: str, written: str) -> Rewriting:
    """What `written`, the server's spelling, says about `stored`, the text that it was given.

    :param stored: the text as the source holds it.
    :param written: the same value as the server writes it.
    :returns: SAME, REWRITTEN (another spelling of the same), or BENT (another value).
    """
    if stored == written:
        return Rewriting.SAME
    return Rewriting.REWRITTEN if _tokens(stored) == _tokens(written) else Rewriting.BENT


def _tokens(text: str) -> Counter[str | Decimal]:
    return Counter(
        Decimal(found["number"]).normalize() if found["number"] else found["word"] for found in _TOKEN.finditer(text)
    )
