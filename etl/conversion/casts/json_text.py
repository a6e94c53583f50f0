"""json and jsonb: text that PostgreSQL's jsonb accepts, sent as it stands; numbers become JSON numbers.

orjson reads every distinct text; whatever it refuses, or may see differently from PostgreSQL, is scanned here by
PostgreSQL's own rules, which were tried out on a server: deeper nesting, larger numbers, no `\\u0000`.
"""

import json
import re

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from etl.conversion.casts.cells import LARGE_BYTES, VALUE, Cells, Refusal, RefusalError, look_singly, mask_of, where
from etl.conversion.casts.decimals import exceeds_numeric, shortest
from etl.core.rejects import RejectRule
from etl.core.types import TargetType

NOT_JSON = Refusal(RejectRule.NOT_JSON, f"{VALUE} is not JSON")
# With the default max_stack_depth PostgreSQL reads arrays nested 14544 (15), 16365 (16) or 16339 (18) deep: whatever is
# deeper than this no server takes, and what is a little less deep the server decides.
DEEPEST = 16384

# Accepted by orjson and perhaps not by jsonb: an escaped NUL, numbers with more than 16383 decimals, 0e9999999999.
_DOUBTFUL = r"\\u00(?:00|22)|[0-9][eE](?:-[0-9]{4}|\+?[0-9]{8})|[0-9]{1000}"
# Where a key ends, or a text that looks like one; an escaped quote may do so too, and such texts are scanned.
_KEY_END = r"\"[ \t\r\n]*:"
_SURROGATE = r"\\u[dD][89a-fA-F]"  # Python's own reader takes half a pair
TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:
        (?P<mark>[\[\]{}:,])
      | (?P<string>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")
      | (?P<number>-?(?P<whole>0|[1-9][0-9]*+)(?:\.(?P<fraction>[0-9]++))?(?:[eE](?P<exponent>[+-]?[0-9]++))?)
      | (?P<word>true|false|null)
    )[ \t\n\r]*+""",
    re.VERBOSE,
)
"""One token with the white space around it."""

ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([0-9a-fA-F]{4})|.)")
"""An escape in a string. A surrogate pair is passed over as a whole; group 1 is any other \\u escape."""

_ELEMENT = {"[": "first element", "{": "first key", "string": "end", "scalar": "end"}
_STEPS = {  # what is expected -> the token found -> what is expected then
    "element": _ELEMENT,
    "first element": {**_ELEMENT, "]": "end"},
    "key": {"string": "colon"},
    "first key": {"string": "colon", "}": "end"},
    "colon": {":": "element"},
    "end": {"]": "end", "}": "end", ",": "comma"},
}


def json_from_text(values: pa.Array, target: TargetType) -> Cells:
    """Text that jsonb accepts, unchanged; `json` columns are held to the same rule, so that both read alike.

    A key twice in one object is refused for jsonb, which keeps the last of them; json keeps both.
    """
    unique = target.base == "jsonb"
    if values.nbytes > LARGE_BYTES:
        return _from_large_text(values, unique=unique)
    distinct = pc.drop_null(pc.unique(values))
    doubtful = mask_of(pc.match_substring_regex(distinct, _DOUBTFUL))
    refused: dict[str, Refusal] = {}
    keys = pc.count_substring_regex(distinct, _KEY_END).to_numpy(zero_copy_only=False)
    for position, text in enumerate(distinct.to_numpy(zero_copy_only=False)):
        if doubtful[position] or not _read_by_orjson(text, int(keys[position]) if unique else None):
            _scan_into(refused, text, unique=unique)
    return _without(values, refused)


def _from_large_text(values: pa.Array, *, unique: bool) -> Cells:
    """The same, without a copy of the texts or of what they hold."""
    doubtful = mask_of(pc.match_substring_regex(values, f"{_DOUBTFUL}|{_SURROGATE}"))
    faults: dict[int, Refusal] = {}
    for place in np.flatnonzero(mask_of(values.is_valid())).tolist():
        text = values[place].as_py()
        if doubtful[place] or unique or not _read_and_forgotten(text):
            try:
                check_json(text, unique=unique)
            except RefusalError as refusal:
                faults[place] = refusal.refusal
        del text
    if not faults:
        return Cells(values)
    fine = np.ones(len(values), np.bool_)
    fine[list(faults)] = False
    return Cells(where(pa.array(fine), values), faults)


def json_from_integer(values: pa.Array, _target: TargetType) -> Cells:
    """A JSON number of the same digits."""
    return Cells(values.cast(pa.string()))


def json_from_real(values: pa.Array, _target: TargetType) -> Cells:
    """The shortest JSON number that reads back as the same real; infinity is no JSON."""
    return look_singly(values, where(pc.is_finite(values), shortest(values)), _refuse)


def check_json(text: str, *, unique: bool = False) -> None:
    """Raise RefusalError unless PostgreSQL's jsonb accepts the text; with `unique`, unless it keeps every key."""
    open_brackets: list[str] = []
    keys: list[set[str]] = []  # of the objects that are open
    expected, position = "element", 0
    while position < len(text):
        token = TOKEN.match(text, position)
        if token is None:
            raise RefusalError(*NOT_JSON)
        if unique:
            _note_key(token, expected, keys)
        expected, position = _step(expected, token, open_brackets), token.end()
    if open_brackets or expected != "end":
        raise RefusalError(*NOT_JSON)


def _note_key(token: re.Match[str], expected: str, keys: list[set[str]]) -> None:
    """Keeps the keys of each open object; a key that is there already is refused."""
    if token["mark"] == "{":
        keys.append(set())
    elif token["mark"] == "}" and keys:
        keys.pop()
    elif token["string"] and expected in ("key", "first key") and keys:
        key = json.loads(token["string"])
        if key in keys[-1]:
            raise RefusalError(
                RejectRule.DUPLICATE_JSON_KEY, f"{VALUE} has a key twice in one object, of which jsonb keeps one"
            )
        keys[-1].add(key)


def _step(expected: str, token: re.Match[str], open_brackets: list[str]) -> str:
    found = token["mark"] or ("string" if token["string"] else "scalar")
    following = _STEPS[expected].get(found)
    if following is None:
        raise RefusalError(*NOT_JSON)
    if token["string"]:
        _check_escapes(token["string"])
    if token["number"] and exceeds_numeric(token["whole"], token["fraction"] or "", token["exponent"] or ""):
        raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} holds a number out of range for jsonb")
    return _follow_brackets(found, following, open_brackets)


def _follow_brackets(found: str, following: str, open_brackets: list[str]) -> str:
    if found in ("[", "{"):
        open_brackets.append(found)
        if len(open_brackets) > DEEPEST:
            raise RefusalError(RejectRule.OUT_OF_RANGE, f"{VALUE} is nested more than {DEEPEST} levels deep")
    elif found in ("]", "}") and (not open_brackets or open_brackets.pop() + found not in ("[]", "{}")):
        raise RefusalError(*NOT_JSON)
    elif found == ",":
        if not open_brackets:
            raise RefusalError(*NOT_JSON)
        return "element" if open_brackets[-1] == "[" else "key"
    return following


def _check_escapes(string: str) -> None:
    for escape in ESCAPE.finditer(string):
        code = int(escape[1] or "20", 16)
        if code == 0:
            raise RefusalError(RejectRule.NUL_CHARACTER, f"{VALUE} holds \\u0000, which jsonb cannot store")
        if 0xD800 <= code <= 0xDFFF:
            raise RefusalError(RejectRule.INVALID_UNICODE, f"{VALUE} holds half a surrogate pair (\\u{escape[1]})")


def _read_by_orjson(text: str, keys: int | None) -> bool:
    """Whether orjson reads the text, and finds as many keys as it seems to have (None: not to be counted).

    Of equal keys it keeps one, which shows when it writes the document again.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if not keys or keys < 2:
        return True
    try:
        return orjson.dumps(found).count(b'":') == keys
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        return False


def _forget(_found: object) -> None:
    return None


def _refuse_constant(_name: str) -> object:
    raise ValueError


_FORGETTING = json.JSONDecoder(
    object_pairs_hook=_forget, parse_int=_forget, parse_float=_forget, parse_constant=_refuse_constant
)


def _read_and_forgotten(text: str) -> bool:
    """Whether Python's reader accepts the text; objects and numbers are dropped as soon as they are read."""
    try:
        _FORGETTING.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _scan_into(refused: dict[str, Refusal], text: str, *, unique: bool) -> None:
    try:
        check_json(text, unique=unique)
    except RefusalError as refusal:
        refused[text] = refusal.refusal


def _without(values: pa.Array, refused: dict[str, Refusal]) -> Cells:
    if not refused:
        return Cells(values)
    bad = pc.is_in(values, pa.array(list(refused), values.type))
    positions = np.flatnonzero(mask_of(bad))
    texts = values.take(pa.array(positions)).to_pylist()
    faults = {position: refused[text] for position, text in zip(positions.tolist(), texts, strict=True)}
    return Cells(where(pc.invert(bad), values), faults)


def _refuse(_value: float) -> str:
    raise RefusalError(RejectRule.NOT_A_NUMBER, f"{VALUE} is not a JSON number")
