"""How an unknown name is told."""

from collections.abc import Collection

import pytest

from etl.core.text import unknown_names


@pytest.mark.parametrize(
    ("unknown", "known", "message"),
    [
        (["usres"], ["users", "logs"], "No table 'usres' (did you mean 'users'?). There is: users, logs."),
        (
            ["LGOS", "usres", "x"],
            ["users", "logs"],
            "No table 'LGOS' (did you mean 'logs'?), 'usres' (did you mean 'users'?), 'x'. There is: users, logs.",
        ),
        (["x"], [], "No table 'x'. There is: none."),
        (["x"], ["t\n"], "No table 'x'. There is: t␊."),
        (["x"], [f"{n}" for n in range(43)], "38, 39 and 3 more."),
    ],
)
def test_each_unknown_name_has_its_hint(unknown: Collection[str], known: Collection[str], message: str) -> None:
    assert unknown_names("No table", unknown, known).endswith(message)
