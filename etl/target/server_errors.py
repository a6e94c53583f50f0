"""What PostgreSQL says when it cannot go on for reasons that lie in its surroundings, and what to do about it.

A new case is a new line of the table.
"""

_AGAIN = "then run again"

# SQLSTATE → what it means and what to do (PostgreSQL documentation, appendix A)
_CASES = {
    "53100": f"the database server's disk is full; make space there (data, WAL, temporary files), {_AGAIN}",
    "53200": f"the database server has no memory left; free some, {_AGAIN}",
    "53400": f"a limit that is set on the server was reached (temp_file_limit?); raise it, {_AGAIN}",
    "40P01": "another session waited for the load, and the load for it; run again, at a quieter time",
    "40001": "the server cancelled it in favour of another transaction, or a standby to keep up; run again",
    "25006": "the server, or this role, is set to read only; connect where writing is allowed",
}


# 53200 too, but it is the shared table of locks that is full: no memory of the machine would help.
_LOCKS_FULL = (
    "its table of locks is full: set max_locks_per_transaction (64 by default) to twice what it is, restart the "
    f"server, {_AGAIN}; or load some of the tables at a time, with --tables"
)


def explain(code: str, line: str) -> str:
    """One message for an error that ends a run: what the server says (`line`), what that means, what to do."""
    meaning = _LOCKS_FULL if code == "53200" and "shared memory" in line else _CASES.get(code)
    if meaning is None:
        return f"PostgreSQL could not go on: {line}. Nothing was committed: run again when it can."
    return f"PostgreSQL could not go on: {line} ({meaning}). Nothing was committed."
