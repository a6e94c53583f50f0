"""Expectations that are worked out once: Great Expectations does it anew for every batch, and twice for each.

What an expectation has to be told of a frame (its metrics) depends on the expectation and the result format alone. To
derive it took 47 % of the checking of the benchmark's 38 batches (great_expectations 1.24). This module imports it.
"""

import inspect
from typing import TYPE_CHECKING, Any, cast

from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

if TYPE_CHECKING:
    from great_expectations.validator.validator import ValidationDependencies


def is_as_known() -> bool:
    """Whether Great Expectations' own classes still have the shape that this module relies on.

    Where they have not, the public configuration serves: slower, and by nobody's internals.
    """
    asked = _parameters(Expectation, "get_validation_dependencies")
    checked = _parameters(Expectation, "metrics_validate")
    made = _parameters(ExpectationConfiguration, "to_domain_obj")
    return (
        asked == ["self", "execution_engine", "runtime_configuration"]
        and checked[:2] == ["self", "metrics"]
        and made == ["self"]
    )


def _parameters(owner: type, method: str) -> list[str]:
    function = getattr(owner, method, None)
    return list(inspect.signature(function).parameters) if callable(function) else []


class _PreparedExpectation:
    """Stands in for an expectation, for one kind of engine, and remembers what it depends on."""

    def __init__(self, expectation: "Expectation") -> None:
        self._expectation = expectation
        self._dependencies: dict[str, ValidationDependencies] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._expectation, name)

    def get_validation_dependencies(
        self, execution_engine: Any, runtime_configuration: dict[str, Any]
    ) -> "ValidationDependencies":
        detail = str(runtime_configuration["result_format"]["result_format"])
        if detail not in self._dependencies:
            self._dependencies[detail] = self._expectation.get_validation_dependencies(
                execution_engine=execution_engine, runtime_configuration=runtime_configuration
            )
        return self._dependencies[detail]

    def metrics_validate(self, **arguments: Any) -> Any:
        # The expectation's own, but it asks this object for the dependencies.
        return type(self._expectation).metrics_validate(cast("Expectation", self), **arguments)


class PreparedConfiguration(ExpectationConfiguration):
    """An expectation's configuration that always gives the same expectation.

    Raises what Great Expectations raises for what it refuses.
    """

    def __init__(self, type_: str, kwargs: dict[str, Any], *, id_: str) -> None:
        super().__init__(type=type_, kwargs=kwargs, id=id_)
        self._prepared = _PreparedExpectation(super().to_domain_obj())

    def __deepcopy__(self, memo: dict[int, Any]) -> "PreparedConfiguration":
        return self  # the copy is made so that a batch can be named in it; here an engine has but one

    def to_domain_obj(self) -> Any:
        return self._prepared
