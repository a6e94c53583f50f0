"""Runs that were cut off: told of, found again, and removed."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from etl.core.errors import CannotRun, EtlError, UsageError
from etl.core.text import unknown_names
from etl.runs.connect import open_target
from etl.runs.load_session import hold_lock_of_a_run
from etl.runs.transaction import one_transaction
from etl.scaling.at_rest import FOLDER
from etl.scaling.ledger import Ledger, RunLine
from etl.scaling.work import end_workers
from etl.target.loading_schemas import CutOffRun, cut_off_runs, schema_of
from etl.target.session import Session


def find_run(session: Session, run_id: str, source: Path) -> RunLine:
    """The run that is to go on; raises `UsageError` where there is none of that name, or it is of another source."""
    _require(session, run_id)
    _, line = Ledger.open(session, run_id)
    if Path(line.source) != source.absolute():
        raise UsageError(f"--resume: the run {line.run_id} loads {line.source}, not {source}.")
    if not Path(line.path).exists():
        raise CannotRun(
            f"The run {line.run_id} reads {line.path}, which is gone. Remove the run with --abandon {line.run_id}, "
            "then load anew."
        )
    return line


def abandon_run(run_id: str, source: Path, pg: str | None = None) -> CutOffRun:
    """Removes what is left of a run that was cut off: its loading schema, and its copy of the source.

    :param run_id: the run.
    :param source: its SQLite file; by it the embedded server's database is known.
    :param pg: the target, as for `migrate`.
    :returns: what was removed.
    :raises UsageError: where there is no such run. `LockedError` where a run is under way.
    """
    with open_target(pg, source) as target, target.connect() as connection, one_transaction(connection):
        session = Session(connection)
        hold_lock_of_a_run(session)
        found = _require(session, run_id)
        ledger, line = Ledger.open(session, run_id)
        end_workers(session, line.run_id)
        ledger.drop(session)
        session.driver.commit()
        if Path(line.path).parent.name == FOLDER and Path(line.path).name == f"{line.run_id}.db":
            Path(line.path).unlink(missing_ok=True)
        return found


def _require(session: Session, run_id: str) -> CutOffRun:
    known = cut_off_runs(session)
    for run in known:
        if run.schema == schema_of(run_id):
            if run.parts is None:
                raise CannotRun(str(run))
            return run
    raise UsageError(unknown_names("there is no run that was cut off called", [run_id], [run.run_id for run in known]))


@contextlib.contextmanager
def keeping(run_id: str, say: Callable[[str], None], progress: Callable[[], str | None]) -> Iterator[None]:
    """Inside, whatever ends the run leaves its loading schema, and is told with the two ways on.

    An error says it itself, else `say` hears it. `progress`: how far the run has come; None: there is no schema yet.
    """
    try:
        yield
    except CannotRun as error:
        if progress() is None:
            raise
        raise type(error)(f"{error}\n{_ways_on(run_id, progress())}") from error
    except EtlError:
        raise
    except BaseException:
        if progress() is not None:
            say(_ways_on(run_id, progress()))
        raise


def _ways_on(run_id: str, progress: str | None) -> str:
    return (
        f"What the run {run_id} has loaded is kept, where nobody sees it ({progress}): the same command with "
        f"--resume {run_id} goes on with it, --abandon {run_id} removes it."
    )
