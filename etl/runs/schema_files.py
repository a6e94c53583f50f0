"""Keeps a created schema in the report folder: the script, what is not carried, and rows that break constraints."""

from pathlib import Path

from etl.core.source_tables import quoted
from etl.files.private_files import PrivateFolder, RowFile, jsonable, writable
from etl.runs.create_schema import NewSchema
from etl.schema.ddl import not_carried_script, script
from etl.source.database import Source

FOLDER = "schema"


def write_schema_files(source: Source, new: NewSchema, folder: Path) -> None:
    """Writes `schema/schema.sql`, `schema/not_carried.sql` and `schema/broken_rows/TABLE.ndjson`, those that say
    anything.

    :param source: is asked for the rows that break constraints.
    :param new: what was created.
    :param folder: the report folder.
    :raises CannotRun: where the folder cannot be written.
    """
    if not new.proposal.tables:
        return
    private = PrivateFolder(folder / FOLDER)
    lost = (*new.proposal.not_carried, *new.refused)
    texts = {"schema.sql": script(new.proposal, source.path.name)}
    if lost:
        texts["not_carried.sql"] = not_carried_script(lost) + "\n"
    with writable(folder):
        for name, text in texts.items():
            with private.create(name) as file:
                file.write(text.encode())
    for table in new.proposal.tables:
        broken = [one for one in table.constraints if one.broken_rows and one.broken_query]
        rows = RowFile(PrivateFolder(folder / FOLDER / "broken_rows"), table.source)
        for constraint in broken:
            names = [column.source for column in table.columns]
            query = f"SELECT {', '.join(f'c.{quoted(name)}' for name in names)} {constraint.broken_query}"
            for values in source.query(query):
                row = {name: jsonable(value) for name, value in zip(names, values, strict=True)}
                rows.write({"table": table.source, "constraint": constraint.name, "row": row})
        rows.close()
