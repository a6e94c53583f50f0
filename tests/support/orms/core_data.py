"""Core Data: Z names, TIMESTAMP as seconds since 2001, UUIDs as BLOBs, no foreign keys, metadata tables."""

import plistlib
from datetime import datetime

from support.orms.application import Application, hexadecimal, moment, refused, same, uuid_text

_SCHEMA = """
CREATE TABLE ZPERSON ( Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZACTIVE INTEGER, ZAGE INTEGER,
  ZEMPLOYER INTEGER, ZBALANCE DECIMAL, ZBIRTHDAY TIMESTAMP, ZWEIGHT FLOAT,
  ZNAME VARCHAR, ZIDENTIFIER BLOB, ZPHOTO BLOB );
CREATE INDEX ZPERSON_ZEMPLOYER_INDEX ON ZPERSON (ZEMPLOYER);
CREATE INDEX Z_Person_byName ON ZPERSON (ZNAME COLLATE BINARY ASC, ZBIRTHDAY DESC);
CREATE TABLE ZCOMPANY ( Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZFOUNDED TIMESTAMP, ZTITLE VARCHAR );
CREATE UNIQUE INDEX Z_Company_UNIQUE_title ON ZCOMPANY (ZTITLE COLLATE BINARY ASC);
CREATE TABLE Z_1TAGS ( Z_1PEOPLE INTEGER, Z_2TAGS INTEGER, PRIMARY KEY (Z_1PEOPLE, Z_2TAGS) );
CREATE INDEX Z_1TAGS_Z_2TAGS_INDEX ON Z_1TAGS (Z_2TAGS, Z_1PEOPLE);
CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER);
CREATE TABLE Z_METADATA (Z_VERSION INTEGER PRIMARY KEY, Z_UUID VARCHAR(255), Z_PLIST BLOB);
CREATE TABLE Z_MODELCACHE (Z_CONTENT BLOB);
"""


def _seconds(number: int) -> float:
    return (moment(number) - datetime(2001, 1, 1)).total_seconds()


CORE_DATA = Application(
    "core_data",
    _SCHEMA,
    {
        "ZPERSON": [
            (
                k,
                2,
                1,
                k % 2,
                20 + k,
                k % 5 + 1 if k % 6 else None,
                k + 0.25 if k % 2 else k,
                _seconds(-k),
                k / 3,
                f"Person Ä{k}" if k % 7 else None,
                bytes.fromhex(hexadecimal(k)),
                bytes([137, 80, k]) if k % 3 else None,
            )
            for k in range(1, 31)
        ],
        "ZCOMPANY": [(k, 1, 1, _seconds(-100 * k) if k > 2 else -86400.0 * k, f"Company {k}") for k in range(1, 6)],
        "Z_1TAGS": [(k, k % 4 + 1) for k in range(1, 31)],
        "Z_PRIMARYKEY": [(1, "Company", 0, 5), (2, "Person", 0, 30)],
        "Z_METADATA": [(1, uuid_text(1).upper(), plistlib.dumps({"version": 1}, fmt=plistlib.FMT_BINARY))],
        "Z_MODELCACHE": [(bytes(range(256)),)],
    },
    selects=same(
        "SELECT 0, t0.Z_PK, t0.Z_OPT, t0.ZNAME, t0.ZAGE FROM ZPERSON t0 WHERE t0.ZAGE > 30 ORDER BY t0.Z_PK",
        "SELECT t0.ZTITLE, COUNT(*) FROM ZCOMPANY t0 JOIN ZPERSON t1 ON t0.Z_PK = t1.ZEMPLOYER GROUP BY t0.ZTITLE "
        "ORDER BY t0.ZTITLE",
        "SELECT Z_MAX FROM Z_PRIMARYKEY WHERE Z_ENT = 2",
        "SELECT COUNT(*) FROM Z_1TAGS WHERE Z_2TAGS = 1",
        "SELECT ZNAME FROM ZPERSON WHERE ZACTIVE = 1 ORDER BY Z_PK",
    ),
    inserts=same("INSERT INTO ZCOMPANY (Z_ENT, Z_OPT, ZTITLE) VALUES (1, 1, 'new')"),
    violations=[
        refused("unique", "UPDATE ZCOMPANY SET ZTITLE = 'Company 2' WHERE Z_PK = 1"),
        refused("primary key", "INSERT INTO Z_1TAGS (Z_1PEOPLE, Z_2TAGS) VALUES (1, 2)"),
        refused("primary key", "INSERT INTO ZPERSON (Z_PK) VALUES (1)"),
    ],
)
