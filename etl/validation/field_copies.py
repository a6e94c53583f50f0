"""Quick copies of pydantic's fields, for the import of Great Expectations.

Its models inherit from each other, and a pydantic 1 model begins with deep copies of its parent's fields: 3,800 fields
of 25 attributes each, nearly all of which are None, False or a class. `copy.deepcopy` goes through a pickle of each,
and takes 0.3 of the import's 0.95 CPU seconds (great_expectations 1.24). These are the same copies, in 0.1.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from pydantic.v1.fields import FieldInfo, ModelField

_COPIED_CLASSES = (FieldInfo, ModelField)
_ATOMS = frozenset({type(None), type(...), bool, int, float, str, type, FunctionType})  # `deepcopy` returns them as is


@contextmanager
def quick_field_copies() -> Iterator[None]:
    """Inside, `copy.deepcopy` copies fields attribute by attribute. For a process of one thread."""
    for cls in _COPIED_CLASSES:
        cls.__deepcopy__ = _deep_copy  # type: ignore[union-attr]
    try:
        yield
    finally:
        for cls in _COPIED_CLASSES:
            del cls.__deepcopy__  # type: ignore[union-attr]


def _deep_copy(field: Any, memo: dict[int, Any]) -> Any:
    twin = object.__new__(type(field))
    memo[id(field)] = twin
    for name in type(field).__slots__:
        if hasattr(field, name):
            value = getattr(field, name)
            object.__setattr__(twin, name, value if type(value) in _ATOMS else copy.deepcopy(value, memo))
    return twin
