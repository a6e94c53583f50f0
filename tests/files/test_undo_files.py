"""The record of a run: it comes back as it was written, is private, and says so where it cannot be read."""

import json
import stat
from pathlib import Path

import pytest

from etl.core.errors import UsageError
from etl.core.undo_record import (
    UNDO_FILE,
    Created,
    CreatedKind,
    SequenceState,
    UndoKind,
    Undone,
    UndoRecord,
    UndoSequence,
    UndoTable,
)
from etl.files.undo_files import read_undo_record, read_undone, write_undo_record, write_undone

RECORD = UndoRecord(
    run="20261127T071500Z-3fa9c1",
    kind=UndoKind.LOAD,
    system_identifier="7712747876559174735",
    database_oid=16384,
    transaction=2**32 + 754,
    tables=(UndoTable("public", "users", 16401, "Users", ("id",), 5),),
    sequences=(UndoSequence("public", "users_id_seq", SequenceState(1, False), SequenceState(6, False)),),
    created=(Created(CreatedKind.TABLE, "public", "users", 16401, definition="d41d8cd9"),),
    savepoints=(2**32 + 755,),
    timeline=1,
)


def test_a_record_comes_back_and_is_private(tmp_path: Path) -> None:
    write_undo_record(tmp_path, RECORD)
    assert read_undo_record(tmp_path) == RECORD
    assert stat.S_IMODE((tmp_path / UNDO_FILE).stat().st_mode) == 0o600
    assert json.loads((tmp_path / UNDO_FILE).read_text())["transaction"] == "4294968050"
    assert RECORD.marks == (754, 755)


def test_a_record_with_the_least_that_it_must_say_is_read(tmp_path: Path) -> None:
    table = {"schema": "s", "table": "t", "oid": 1, "source": "t", "key": [], "inserted": 1, "updated": 2, "deleted": 3}
    least = {
        "run": "r",
        "kind": "sync",
        "system_identifier": None,
        "database_oid": 1,
        "transaction": "9",
        "tables": [table],
        "sequences": [],
        "created": [],
    }
    (tmp_path / UNDO_FILE).write_text(json.dumps(least))
    record = read_undo_record(tmp_path)
    assert (record.kind, record.transaction, record.tables[0].deleted) == (UndoKind.SYNC, 9, 3)


def test_who_undid_a_run_is_kept(tmp_path: Path) -> None:
    assert read_undone(tmp_path) == ()
    undone = (Undone("run", "2026-11-27T07:15:00+00:00", 2**33, False, {16401: 4}),)
    write_undone(tmp_path, undone)
    assert read_undone(tmp_path) == undone


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"run": 1}', "null"])
def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / UNDO_FILE).write_text(content)
    with pytest.raises(UsageError, match=r"undo\.json is damaged"):
        read_undo_record(tmp_path)


def test_a_folder_without_a_record_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no undo\.json"):
        read_undo_record(tmp_path)
    with pytest.raises(UsageError, match="There is no report folder"):
        read_undo_record(tmp_path / "nowhere")
