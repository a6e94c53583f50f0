"""Public functions explain themselves, and agree with the settings and the commands' options."""

import argparse
import inspect
from dataclasses import fields
from pathlib import Path

import pytest

import etl
from etl.console.sync import build_parser as sync_parser
from etl.reconcile import build_parser as reconcile_parser
from etl.run import build_parser as run_parser
from etl.runs.settings import CommonSettings, CompareSettings, Settings, SyncSettings

FUNCTIONS = [name for name in etl.__all__ if callable(getattr(etl, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_explains_every_parameter(name: str) -> None:
    function = getattr(etl, name)
    text = inspect.getdoc(function) or ""
    unexplained = [
        parameter for parameter in inspect.signature(function).parameters if f":param {parameter}:" not in text
    ]
    assert not unexplained
    assert ":returns:" in text
    assert ":raises" in text
    assert "Example::" in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_options_are_given_by_name(name: str) -> None:
    """After the first few, so that a call can be read."""
    parameters = inspect.signature(getattr(etl, name)).parameters.values()
    by_place = [each.name for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert len(by_place) <= 4
    assert not {"sqlite", "path"} & set(by_place), "the source is called source everywhere"


@pytest.mark.parametrize(
    ("function", "settings", "parser"),
    [
        ("migrate", Settings, run_parser()),
        ("compare", CompareSettings, reconcile_parser()),
        ("sync", SyncSettings, sync_parser()),
    ],
)
def test_functions_settings_and_options_agree(
    function: str, settings: type[CommonSettings], parser: argparse.ArgumentParser
) -> None:
    parameters = inspect.signature(getattr(etl, function)).parameters
    decisions = {each.name: each.default for each in fields(settings) if each.name != "source"}
    assert set(parameters) == {"source", "observer", *decisions}
    for name, default in decisions.items():
        assert parameters[name].default == default, name
        said = parser.get_default(name)
        assert (tuple(said) if isinstance(said, list) else said) == default, name
    assert set(settings.options()) == set(decisions)


@pytest.mark.parametrize(("given", "tables"), [("users", ("users",)), (["a", "b"], ("a", "b")), ((), ())])
def test_one_table_is_given_by_its_name(given: object, tables: tuple[str, ...]) -> None:
    assert Settings.of("a.db", tables=given).tables == tables


def test_settings_take_what_people_write() -> None:
    settings = Settings.of("a.db", report_folder="out", extra_columns="drop")
    assert (settings.source, settings.report_folder, settings.extra_columns) == (Path("a.db"), Path("out"), "drop")
    with pytest.raises(ValueError, match="'keep' is not a valid ExtraColumns"):
        Settings.of("a.db", extra_columns="keep")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Settings.of("a.db", colour="red")
