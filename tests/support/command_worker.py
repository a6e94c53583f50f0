"""Runs the product's commands inside one process, one after the other: a module and its arguments a line, as JSON.

Answers each with a line of exit code, what it said, and its traceback where it had one. A crash of the interpreter ends
the process, which the test that started it then sees.
"""

import contextlib
import faulthandler
import importlib
import io
import json
import sys
import traceback
import warnings


def run(module: str, arguments: list[str]) -> dict[str, object]:
    """One command from its arguments to its exit code."""
    said, failure, code = io.StringIO(), None, None
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = importlib.import_module(module).main(arguments)
        except SystemExit as end:
            code = end.code
        except Exception:  # noqa: BLE001 - whatever it is, the test shall see it
            failure = traceback.format_exc()
    return {"code": code, "said": said.getvalue(), "failure": failure}


if __name__ == "__main__":
    faulthandler.enable()
    warnings.simplefilter("error")
    answers = sys.stdout
    for line in sys.stdin:
        answers.write(json.dumps(run(*json.loads(line))) + "\n")
        answers.flush()
