"""Whether the server's spelling of a text still means the text, for types that only the server can read."""

from etl.comparison.meaning import MeaninglessError
from etl.comparison.readers import means_same
from etl.core.types import Rewriting, TargetType


def classify_rewriting(stored: str, written: str, target: TargetType) -> Rewriting:
    """What `written`, the server's spelling, says about `stored`, the text that it was given.

    :param stored: the text as the source holds it.
    :param written: the same value as the server writes it.
    :param target: the type that read it; its parts are read by their own types.
    :returns: SAME, REWRITTEN (another spelling of the same), or BENT (another value).
    """
    if stored == written:
        return Rewriting.SAME
    try:
        return Rewriting.REWRITTEN if means_same(stored, written, target) else Rewriting.BENT
    except MeaninglessError:
        return Rewriting.BENT
