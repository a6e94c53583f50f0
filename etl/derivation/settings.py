"""What a derivation is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.core import defaults
from etl.core.name_map import NameMap
from etl.core.proposal import NameStyle, TimeType, TypeRule
from etl.core.time_units import TimeUnit


@dataclass(frozen=True)
class DerivationSettings:
    """`tables`: only these, by the source's names; empty: all. `decided`: what the user has said about names and types.
    `units`: (source table, source column) → unit of its numbers. `hints`: also look for what columns could be.
    `virtual_tables`: make plain tables of those that can be read."""

    names: NameStyle = NameStyle.LOWER
    types: TypeRule = TypeRule.FIT
    times: TimeType = TimeType.TIMESTAMPTZ
    tables: tuple[str, ...] = ()
    decided: NameMap = field(default_factory=NameMap)
    units: Mapping[tuple[str, str], TimeUnit] = field(default_factory=dict)
    assume_timezone: str = defaults.TIMEZONE
    hints: bool = True
    virtual_tables: bool = False
