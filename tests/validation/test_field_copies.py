"""Copies of pydantic's fields made quickly are those that `copy.deepcopy` makes, and Great Expectations is the same."""

import copy
import re
import subprocess
import sys
from typing import Any

from pydantic.v1 import BaseModel, Field, validator
from pydantic.v1.class_validators import Validator
from pydantic.v1.fields import FieldInfo, ModelField

from etl.validation.field_copies import quick_field_copies

# A model of Great Expectations says all that can be said about its fields in its repr and in its validators' names.
DESCRIBE_MODELS = """
from contextlib import nullcontext
from pydantic.v1 import BaseModel
from etl.validation.field_copies import quick_field_copies
with {way}():
    import great_expectations
def models(parent):
    for model in parent.__subclasses__():
        yield model
        yield from models(model)
for model in models(BaseModel):
    fields = [(field, field.field_info, sorted(field.class_validators or ())) for field in model.__fields__.values()]
    print(model.__module__, model.__qualname__, fields, model.__post_root_validators__ != [])
"""
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Parent(BaseModel):
    name: str = Field("x", min_length=1, extra_key=["kept"])
    parts: dict[str, list[int]] | None = None

    @validator("name")
    def _no_blank(cls, value: str) -> str:  # noqa: N805 - pydantic's way
        assert value.strip()
        return value


def content(value: Any) -> Any:
    """A field as nested dictionaries, so that two can be compared."""
    if isinstance(value, FieldInfo | ModelField | Validator):
        return {name: content(getattr(value, name)) for name in type(value).__slots__ if hasattr(value, name)}
    if isinstance(value, dict):
        return {key: content(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [content(item) for item in value]
    return value


def test_copies_are_deep_and_equal() -> None:
    usual = copy.deepcopy(Parent.__fields__)
    with quick_field_copies():
        quick = copy.deepcopy(Parent.__fields__)
    assert [*quick] == ["name", "parts"]
    for name, field in quick.items():
        original = Parent.__fields__[name]
        assert type(field) is ModelField
        assert field is not original
        # Validators are functions that pydantic makes from ours; they are the same ones in every copy.
        assert content(field) == content(usual[name]) == content(original)
    assert quick["name"].field_info.extra is not Parent.__fields__["name"].field_info.extra
    assert quick["name"].class_validators is not Parent.__fields__["name"].class_validators
    assert quick["parts"].sub_fields[0] is not Parent.__fields__["parts"].sub_fields[0]  # type: ignore[index]


def test_a_field_that_occurs_twice_is_copied_once() -> None:
    field = Parent.__fields__["name"]
    with quick_field_copies():
        one, other = copy.deepcopy([field, field])
    assert one is other


def test_outside_fields_are_copied_as_ever() -> None:
    with quick_field_copies():
        assert hasattr(ModelField, "__deepcopy__")
        assert hasattr(FieldInfo, "__deepcopy__")
    assert not hasattr(ModelField, "__deepcopy__")
    assert not hasattr(FieldInfo, "__deepcopy__")


def test_great_expectations_models_are_the_same() -> None:
    usual, quick = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", DESCRIBE_MODELS.format(way=way)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        for way in ("nullcontext", "quick_field_copies")
    )
    assert len(usual) > 200
    assert [_ADDRESS.sub("", line) for line in quick] == [_ADDRESS.sub("", line) for line in usual]
