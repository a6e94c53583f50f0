"""Rows that only the server can judge: each case is a target, a source, and what has to become of every row.

Every case is forecast, loaded, and loaded again.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from psycopg2 import sql
from support.database import Database
from support.loads import books, load, rejects
from support.sources import make_sqlite
from support.targets import contents, execute, state, value

from etl.loading.staging import MEMORY, stage_in_memory
from etl.reporting.report import Report
from etl.target.session import Session

Reject = tuple[str, int, str | None, str]


@dataclass(frozen=True)
class Case:
    """Target and source as statements; `loaded`: text of the rows by table; `rejected`: table, row, column, reason.

    `altered`: the target alters rows, which the comparison and a second run have to notice.
    """

    target: list[str]
    source: list[str]
    loaded: dict[str, list[str]]
    rejected: list[Reject] = field(default_factory=list)
    forecast: bool = True  # False: triggers have their say only when rows are written
    altered: bool = False


def typed(
    sql: str, good: list[str], bad: list[str], reason: str, shown: list[str] | None = None, before: str = ""
) -> Case:
    """A table `t (id, v)` with one column of that type, good values first."""
    values = ", ".join(f"({n}, {item})" for n, item in enumerate([*good, *bad], start=1))
    texts = shown or [item.strip("'") for item in good]
    return Case(
        [*([before] if before else []), f"CREATE TABLE t (id integer PRIMARY KEY, v {sql})"],
        ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", f"INSERT INTO t VALUES {values}"],
        {"t": [f"({n},{text})" for n, text in enumerate(texts, start=1)]},
        [("t", len(good) + n, "v", reason) for n in range(1, len(bad) + 1)],
    )


TYPES = {
    "enum": typed("mood", ["'sad'", "NULL"], ["'glad'", "''", "1"], "mood", ["sad", ""],
                  "CREATE TYPE mood AS ENUM ('sad')"),
    "uuid": typed("uuid", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"], ["'a0ee'", "7", "x'00'"], "UUID",
                  ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    "date": typed("date", ["'2024-02-29'"], ["'2023-02-29'", "''", "'soon'"], "date"),
    "time": typed("time", ["'23:59:59.5'"], ["'25:00'", "'x'"], "time"),
    "interval": typed("interval", ["'1 day'"], ["'one day'"], "interval", ['"1 day"']),
    "inet": typed("inet", ["'10.0.0.1'"], ["'10.0.0.256'"], "network address"),
    "array": typed("integer[]", ["'{1,2}'"], ["'{1,x}'", "'[1,2]'"], "whole number|array", ['"{1,2}"']),
    "array of short texts": typed("varchar(3)[]", ["'{abc}'"], ["'{abcd}'"], "too long", ["{abc}"]),
    "bits": typed("bit(3)", ["'101'"], ["'1010'", "'10'"], "bits, the column takes 3"),
    "varchar": typed("varchar(3)", ["'äöü'", "''"], ["'abcd'", "'abc '"], "3", ["äöü", '""']),
    "char": typed("char(3)", ["'ab'"], ["'abcd'"], "3", ['"ab "']),
    "numeric": typed("numeric(5,2)", ["'999.99'", "0.1", "-7"], ["1000", "'0.001'", "'x'"], "numeric|number",
                     ["999.99", "0.10", "-7.00"]),
    "domain": typed("short", ["'abc'"], ["'abcd'", "'xyz'"], "short|too long",
                    before="CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'xyz')"),
    "domain over integer": typed("age", ["5"], ["-5", "'x'"], "age|whole number",
                                 before="CREATE DOMAIN age AS integer CHECK (VALUE >= 0)"),
    "json": typed("json", ["'{\"a\": 1.10}'"], ["'{'", "''"], "JSON", ['"{""a"": 1.10}"']),
    "bytea": typed("bytea", ["x'00ff'", "'ab'"], ["5"], "bytes", ['"\\\\x00ff"', '"\\\\x6162"']),
    "smallint": typed("smallint", ["32767"], ["32768"], "smallint"),
    "composite": typed("part", ["'(1,ab)'", "'(,)'"], ["'(x,a)'", "'(1,abcd)'", "'1'"], "whole|long|form|fields",
                       ['"(1,ab)"', '"(,)"'], "CREATE TYPE part AS (n integer, v varchar(3))"),
    "array of domains": typed("age[]", ["'{1,2}'"], ["'{-1}'"], "age", ['"{1,2}"'],
                              "CREATE DOMAIN age AS integer CHECK (VALUE >= 0)"),
    "domain over a domain": typed("digit", ["5"], ["-1", "NULL", "11"], "age_check|null|digit_check",
                                  before="CREATE DOMAIN age AS integer CHECK (VALUE >= 0); "
                                  "CREATE DOMAIN digit AS age NOT NULL CHECK (VALUE < 10)"),
    "domain whose check raises": typed(
        "odd", ["5"], ["4"], "even: 4",
        before="CREATE FUNCTION odd(integer) RETURNS boolean LANGUAGE plpgsql AS "
        "$$ BEGIN IF $1 % 2 = 0 THEN RAISE 'even: %', $1; END IF; RETURN true; END $$; "
        "CREATE DOMAIN odd AS integer CHECK (odd(VALUE))"),
    "range": typed("int4range", ["'[1,5)'"], ["'[5,1)'"], "range", ['"[1,5)"']),
    "money": typed("money", ["'$12.50'", "'7'"], ["'much'"], "number", ["$12.50", "$7.00"]),
    "point, which has no equality": typed("point", ["'(1,2)'"], ["'(1'"], "point", ['"(1,2)"']),
    "tsvector": typed("tsvector", ["'a b:2'"], ["''''"], "tsvector", ["\"'a' 'b':2\""]),
    "jsonpath": typed("jsonpath", ["'$.a'"], ["'$['"], "jsonpath", ['"$.""a"""']),
    "names of relations": typed("regclass", ["'pg_class'"], ["'nosuch'", "'no.such'", "'a.b.c.d'"],
                                "does not exist|cross-database|improper"),
}  # fmt: skip

KEYED = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w INTEGER)"
THREE = [KEYED, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1), (3, 'a', 2)"]

UNIQUES = {
    "unique": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v text UNIQUE, w integer)"],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, "v", r"t_v_key \(v\) is taken by row number 1")],
    ),
    "partial unique index": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
            "CREATE UNIQUE INDEX only_one ON t (w) WHERE v <> 'z'",
        ],
        THREE,
        {"t": ["(1,a,1)", "(3,a,2)"]},
        [("t", 2, None, "blocked: .*only_one.*(w)=(1)".replace("(", r"\(").replace(")", r"\)"))],
        forecast=False,
    ),
    "unique index over an expression": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
            "CREATE UNIQUE INDEX folded ON t (lower(v))",
        ],
        [KEYED, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1), (3, 'A', 2)"],
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "blocked: .*folded")],
        forecast=False,
    ),
    "exclusion": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v int4range, w integer, EXCLUDE USING gist (v WITH &&))"],
        [KEYED, "INSERT INTO t VALUES (1, '[1,5)', 1), (2, '[4,9)', 1), (3, '[5,6)', 2)"],
        {"t": ['(1,"[1,5)",1)', '(3,"[5,6)",2)']},
        [("t", 2, None, "blocked: .*exclusion constraint")],
        forecast=False,
    ),
    "duplicate keys in the source": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)"],
        ["CREATE TABLE t (id, v, w)", "INSERT INTO t VALUES (1, 'a', 1), (1, 'b', 1), ('1', 'c', 2), (NULL, 'd', 1)"],
        {"t": ["(1,a,1)"]},
        [
            ("t", 2, "id", r"primary key t_pkey \(id\) is taken by row number 1"),
            ("t", 3, "id", r"primary key t_pkey \(id\) is taken by row number 1"),
            ("t", 4, "id", "NULL"),
        ],
    ),
    "unique, deferrable": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY DEFERRABLE, v text UNIQUE DEFERRABLE INITIALLY DEFERRED, w integer)"],
        [*THREE, "INSERT INTO t VALUES (4, 'd', 4)"],
        {"t": ["(1,a,1)", "(2,b,1)", "(4,d,4)"]},
        [("t", 3, "v", r"t_v_key \(v\) is taken by row number 1")],
    ),
    "exclusion, deferrable": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v int4range, w integer, EXCLUDE USING gist (v WITH &&) DEFERRABLE)"],
        [KEYED, "INSERT INTO t VALUES (1, '[1,5)', 1), (2, '[4,9)', 1), (3, '[5,6)', 2)"],
        {"t": ['(1,"[1,5)",1)', '(3,"[5,6)",2)']},
        [("t", 2, None, "blocked: .*exclusion constraint")],
        forecast=False,
    ),
    "unique, NULLs not distinct": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v text, w integer, UNIQUE NULLS NOT DISTINCT (v, w))"],
        [KEYED, "INSERT INTO t VALUES (1, NULL, 1), (2, NULL, 1), (3, NULL, NULL), (4, 'a', NULL)"],
        {"t": ["(1,,1)", "(3,,)", "(4,a,)"]},
        [("t", 2, "v", "t_v_w_key")],
        forecast=False,
    ),
}

PARENTS = ["CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT)", "INSERT INTO p VALUES (1, 'good'), (2, 'bad')"]
PARENT = "CREATE TABLE p (id integer PRIMARY KEY, v text CHECK (v <> 'bad'))"
CHILDREN = [
    "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER)",
    "INSERT INTO c VALUES (1, 1), (2, 2), (3, 9), (4, NULL)",
]
GRANDCHILDREN = [
    "CREATE TABLE g (id INTEGER PRIMARY KEY, c INTEGER)",
    "INSERT INTO g VALUES (1, 1), (2, 2), (3, 3), (4, 4)",
]
FAMILY_LOADED = {"p": ["(1,good)"], "c": ["(1,1)", "(4,)"], "g": ["(1,1)", "(4,4)"]}
FAMILY_REJECTED: list[Reject] = [
    ("p", 2, "v", "violates CHECK constraint p_v_check"),
    ("c", 2, "p", r"its parent in p \(id = 2\) was rejected"),
    ("c", 3, "p", r"p has no row with id = 9, neither here nor in the target"),
    ("g", 2, "c", r"its parent in c \(id = 2\) was rejected"),
    ("g", 3, "c", r"its parent in c \(id = 3\) was rejected"),
]


def family(reference: str) -> Case:
    """Parents, children and grandchildren; `reference` is how the foreign keys are declared."""
    return Case(
        [
            PARENT,
            "CREATE TABLE c (id integer PRIMARY KEY, p integer)",
            "CREATE TABLE g (id integer PRIMARY KEY, c integer)",
            f"ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p {reference}",
            f"ALTER TABLE g ADD FOREIGN KEY (c) REFERENCES c {reference}",
        ],
        [*PARENTS, *CHILDREN, *GRANDCHILDREN],
        FAMILY_LOADED,
        FAMILY_REJECTED,
    )


REFERENCES = {
    "orphans two levels deep": family(""),
    "deferrable": family("DEFERRABLE INITIALLY DEFERRED"),
    "deferrable, immediate": family("ON DELETE CASCADE DEFERRABLE"),
    "not valid": family("NOT VALID"),
    "a tree": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, up integer REFERENCES t, v text CHECK (v <> 'bad'))"],
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER, v TEXT)",
            "INSERT INTO t VALUES (1, 3, ''), (2, 2, ''), (3, NULL, ''), (4, 5, ''), (5, 6, ''), (6, 6, 'bad')",
            "INSERT INTO t VALUES (7, 99, '')",
        ],
        {"t": ['(1,3,"")', '(2,2,"")', '(3,,"")']},
        [
            ("t", 4, "up", r"its parent in t \(id = 5\) was rejected"),
            ("t", 5, "up", r"its parent in t \(id = 6\) was rejected"),
            ("t", 6, "v", "CHECK"),
            ("t", 7, "up", "t has no row with id = 99"),
        ],
    ),
    "a circle of two tables": Case(
        [
            "CREATE TABLE a (id integer PRIMARY KEY, b integer)",
            "CREATE TABLE b (id integer PRIMARY KEY, a integer NOT NULL REFERENCES a, v text CHECK (v <> 'bad'))",
            "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b",
            "CREATE TABLE c (id integer PRIMARY KEY, a integer REFERENCES a)",
        ],
        [
            "CREATE TABLE a (id INTEGER PRIMARY KEY, b INTEGER)",
            "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER, v TEXT)",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, a INTEGER)",
            "INSERT INTO a VALUES (1, 1), (2, 2), (3, 3), (4, NULL), (5, 77)",
            "INSERT INTO b VALUES (1, 1, ''), (2, 3, ''), (3, 2, 'bad'), (4, 5, '')",
            "INSERT INTO c VALUES (1, 1), (2, 2)",
        ],
        {"a": ["(1,1)", "(4,)"], "b": ['(1,1,"")'], "c": ["(1,1)"]},
        [
            ("a", 2, "b", r"its parent in b \(id = 2\) was rejected"),
            ("a", 3, "b", r"its parent in b \(id = 3\) was rejected"),
            ("a", 5, "b", "b has no row with id = 77"),
            ("b", 2, "a", r"its parent in a \(id = 3\) was rejected"),
            ("b", 3, "v", "CHECK"),
            ("b", 4, "a", r"its parent in a \(id = 5\) was rejected"),
            ("c", 2, "a", r"its parent in a \(id = 2\) was rejected"),
        ],
    ),
    "a tree whose foreign key has namesakes": Case(
        [
            "CREATE TABLE p (id integer PRIMARY KEY, v text)",
            "CREATE TABLE t (id integer PRIMARY KEY, up integer CONSTRAINT fk REFERENCES t, p integer)",
            "CREATE TABLE u (id integer PRIMARY KEY, up integer CONSTRAINT fk REFERENCES p)",
            "COMMENT ON CONSTRAINT fk ON t IS 'a comment'",
        ],
        [
            *PARENTS,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER, p INTEGER)",
            "INSERT INTO t VALUES (1, 2, 1), (2, 2, NULL), (3, 9, NULL)",
            "CREATE TABLE u (id INTEGER PRIMARY KEY, up INTEGER)",
            "INSERT INTO u VALUES (1, 2)",
        ],
        {"t": ["(1,2,1)", "(2,2,)"], "u": ["(1,2)"]},
        [("t", 3, "up", "t has no row with id = 9")],
    ),
    "a tree in which a trigger breaks a branch": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, up integer REFERENCES t, v text)",
            (
                "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN IF NEW.v = 'bad' THEN NEW.up := 99; END IF; RETURN NEW; END $$"
            ),
            "CREATE TRIGGER act BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION act()",
        ],
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER, v TEXT)",
            "INSERT INTO t VALUES (1, NULL, 'a'), (2, 3, 'b'), (3, 1, 'c'), (4, 1, 'bad'), (5, 4, 'e'), (6, 6, 'f')",
        ],
        {"t": ["(1,,a)", "(2,3,b)", "(3,1,c)", "(6,6,f)"]},
        [("t", 4, "up", "violates foreign key"), ("t", 5, "up", r"its parent in t \(id = 4\) was rejected")],
        forecast=False,
    ),
    "two columns, MATCH FULL": Case(
        [
            "CREATE TABLE p (x integer, y integer, PRIMARY KEY (x, y))",
            "CREATE TABLE c (id integer PRIMARY KEY, x integer, y integer, FOREIGN KEY (x, y) REFERENCES p MATCH FULL)",
        ],
        [
            "CREATE TABLE p (x INTEGER, y INTEGER, PRIMARY KEY (x, y)) WITHOUT ROWID",
            "INSERT INTO p VALUES (1, 1)",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, x INTEGER, y INTEGER)",
            "INSERT INTO c VALUES (1, 1, 1), (2, 1, NULL), (3, NULL, NULL), (4, 1, 2)",
        ],
        {"p": ["(1,1)"], "c": ["(1,1,1)", "(3,,)"]},
        [("c", 2, "x", "p has no row with x = 1, y = None"), ("c", 4, "x", "p has no row with x = 1, y = 2")],
    ),
    "a tree with a row that only the insert can judge": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, up integer REFERENCES t, v text)",
            "CREATE UNIQUE INDEX folded ON t (lower(v))",
        ],
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER, v TEXT)",
            "INSERT INTO t VALUES (1, NULL, 'a'), (2, NULL, 'A'), (3, 2, 'c'), (4, 3, 'd'), (5, 1, 'e')",
        ],
        {"t": ["(1,,a)", "(5,1,e)"]},
        [
            ("t", 2, None, "blocked: .*folded"),
            ("t", 3, "up", r"its parent in t \(id = 2\) was rejected"),
            ("t", 4, "up", r"its parent in t \(id = 3\) was rejected"),
        ],
        forecast=False,
    ),
}


def with_trigger(body: str, *, event: str = "BEFORE INSERT") -> list[str]:
    """A table `t` with a trigger of that body."""
    return [
        "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
        f"CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$",
        f"CREATE TRIGGER act {event} ON t FOR EACH ROW EXECUTE FUNCTION act()",
    ]


LONGEST = "n" * 63  # bytes: PostgreSQL cuts longer names off

OTHERS = {
    "check": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer CHECK (w < 2))",
            "ALTER TABLE t ADD CONSTRAINT \"odd %s {}\" CHECK (v <> 'b')",
        ],
        THREE,
        {"t": ["(1,a,1)"]},
        [("t", 2, "v", "odd %s {}"), ("t", 3, "w", "t_w_check")],
    ),
    "check that fails to compute": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v text, w integer CHECK (10 / w > 4))"],
        [KEYED, "INSERT INTO t VALUES (1, 'a', 2), (2, 'b', 0), (3, 'a', 5)"],
        {"t": ["(1,a,2)"]},
        [("t", 2, None, "division by zero"), ("t", 3, "w", "t_w_check")],
        forecast=False,
    ),
    "check of the whole row": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
            "CREATE FUNCTION fine(t) RETURNS boolean LANGUAGE sql AS 'SELECT $1.w < 2'",
            "ALTER TABLE t ADD CONSTRAINT whole CHECK (fine(t))",
        ],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "whole")],
        forecast=False,
    ),
    "required by the target": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v text NOT NULL, w integer NOT NULL)"],
        [KEYED, "INSERT INTO t VALUES (1, 'a', 1), (2, NULL, NULL), (3, '', NULL)"],
        {"t": ["(1,a,1)"]},
        [("t", 2, "v", "NULL"), ("t", 3, "w", "NULL")],
    ),
    "trigger that skips": Case(
        with_trigger("IF NEW.w = 2 THEN RETURN NULL; END IF;"),
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "left out by a trigger")],
        forecast=False,
    ),
    "trigger that raises": Case(
        with_trigger("IF NEW.w = 2 THEN RAISE EXCEPTION 'no twos: %', NEW.v; END IF;"),
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "no twos: a")],
        forecast=False,
    ),
    "trigger that raises afterwards": Case(
        with_trigger("IF NEW.w = 2 THEN RAISE unique_violation; END IF;", event="AFTER INSERT"),
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "unique_violation")],
        forecast=False,
    ),
    "trigger that puts rows into a child table": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
            "CREATE TABLE t_1 (CHECK (w = 1), PRIMARY KEY (id)) INHERITS (t)",
            ("CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.w = 1 THEN INSERT INTO t_1 VALUES (NEW.*); RETURN NULL; END IF; RETURN NEW; END $$"),
            "CREATE TRIGGER act BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION act()",
        ],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)", "(3,a,2)"], "t_1": ["(1,a,1)", "(2,b,1)"]},
    ),
    "trigger for each statement that raises": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
            ("CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF EXISTS (SELECT FROM arrived WHERE w = 2) THEN RAISE 'no twos'; END IF; RETURN NULL; END $$"),
            ("CREATE TRIGGER act AFTER INSERT ON t REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT "
            "EXECUTE FUNCTION act()"),
        ],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "no twos")],
        forecast=False,
    ),
    "triggers that are disabled, or fire on replicas only": Case(
        [
            *with_trigger("RETURN NULL;"),
            "CREATE TRIGGER again BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION act()",
            "ALTER TABLE t DISABLE TRIGGER act",
            "ALTER TABLE t ENABLE REPLICA TRIGGER again",
        ],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)", "(3,a,2)"]},
    ),
    "trigger that alters": Case(
        with_trigger("NEW.v := upper(NEW.v);"),
        THREE,
        {"t": ["(1,A,1)", "(2,B,1)", "(3,A,2)"]},
        altered=True,
    ),
    "no key at all": Case(
        ["CREATE TABLE t (v text, w integer)"],
        ["CREATE TABLE t (v, w)", "INSERT INTO t VALUES ('a', 1), ('a', 1), (NULL, NULL), ('', 0), ('b', 'x')"],
        {"t": ['("",0)', "(,)", "(a,1)", "(a,1)"]},
        [("t", 5, "w", "not a whole number")],
    ),
    "no key, and a unique constraint": Case(
        ["CREATE TABLE t (v text UNIQUE, w integer)"],
        ["CREATE TABLE t (v, w)", "INSERT INTO t VALUES ('a', 1), ('a', 2), (NULL, 3), (NULL, 3)"],
        {"t": ["(,3)", "(,3)", "(a,1)"]},
        [("t", 2, "v", "taken by row number 1")],
    ),
    "no key, and a unique index over an expression": Case(
        ["CREATE TABLE t (v text, w integer)", "CREATE UNIQUE INDEX folded ON t (lower(v))"],
        ["CREATE TABLE t (v, w)", "INSERT INTO t VALUES ('a', 1), ('A', 2), ('b', 3)"],
        {"t": ["(a,1)", "(b,3)"]},
        [("t", 2, None, "blocked: .*folded")],
        forecast=False,
    ),
    "no key, and a trigger that skips": Case(
        [statement.replace(" PRIMARY KEY", "") for statement in with_trigger("IF NEW.w = 2 THEN RETURN NULL; END IF;")],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "left out by a trigger")],
        forecast=False,
    ),
    "identity GENERATED ALWAYS": Case(
        ["CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text UNIQUE, w integer)"],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, "v", "t_v_key")],
    ),
    "generated column": Case(
        [
            "CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)",
            "ALTER TABLE t ADD twice integer GENERATED ALWAYS AS (w * 2) STORED CHECK (twice < 4)",
        ],
        [
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w, twice)",
            "INSERT INTO t VALUES (1, 'a', 1, 99), (2, 'b', 2, 1)",
        ],
        {"t": ["(1,a,1,2)"]},
        [("t", 2, "twice", "t_twice_check")],
        forecast=False,
    ),
    "partitions": Case(
        [
            "CREATE TABLE t (id integer, v text, w integer, PRIMARY KEY (id, w)) PARTITION BY LIST (w)",
            "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1)",
        ],
        THREE,
        {"t": ["(1,a,1)", "(2,b,1)"]},
        [("t", 3, None, "no partition of relation")],
        forecast=False,
    ),
    "an index entry too large": Case(
        ["CREATE TABLE t (id integer PRIMARY KEY, v text, w integer)", "CREATE INDEX ON t (v)"],
        [KEYED, "INSERT INTO t VALUES (1, 'a', 1), (2, hex(randomblob(9000)), 1)"],
        {"t": ["(1,a,1)"]},
        [("t", 2, None, "index row (size|requires)")],
        forecast=False,
    ),
    "odd names": Case(
        [
            'CREATE SCHEMA "Odd"',
            'CREATE TABLE "user Table %s" ("userId" integer PRIMARY KEY, "a ""b"" {}" text, "from" text)',
            'ALTER TABLE "user Table %s" ADD "%(x)s" integer CHECK ("%(x)s" > 0)',
            f'ALTER TABLE "user Table %s" ADD "{LONGEST}" text UNIQUE',
            'CREATE TABLE "Child" ("userid" integer REFERENCES "user Table %s")',
            'CREATE INDEX "i %s {}" ON "user Table %s" ("from")',
        ],
        [
            'CREATE TABLE "user Table %s" ("userId" INTEGER PRIMARY KEY, "a ""b"" {}", "from", "%(x)s")',
            f'ALTER TABLE "user Table %s" ADD "{LONGEST}"',
            "INSERT INTO \"user Table %s\" VALUES (1, 'x', 'y', 1, 'n'), (2, 'x', 'y', 0, 'm')",
            "INSERT INTO \"user Table %s\" VALUES (3, 'x', 'y', 5, 'n'), (4, 'x', x'00', 5, 'k')",
            'CREATE TABLE "child" ("userId" INTEGER)',
            'INSERT INTO "child" VALUES (1), (2)',
        ],
        {'"user Table %s"': ["(1,x,y,1,n)"], '"Child"': ["(1)"]},
        [
            ("user Table %s", 2, "%(x)s", "CHECK"),
            ("user Table %s", 3, LONGEST, "unique constraint"),
            ("user Table %s", 4, "from", "BLOB"),
            ("child", 2, "userId", r"its parent in user Table %s \(userId = 2\) was rejected"),
        ],
    ),
}  # fmt: skip

CASES = TYPES | UNIQUES | REFERENCES | OTHERS


@pytest.mark.parametrize(
    ("name", "keep_constraints"), [*((name, False) for name in CASES), *((name, True) for name in REFERENCES)]
)
def test_every_row_has_the_fate_that_it_should(
    database: Database, tmp_path: Path, name: str, keep_constraints: bool
) -> None:
    case = CASES[name]
    if name.endswith("NULLs not distinct") and int(value(database, "SHOW server_version_num")) < 150_000:
        pytest.skip("PostgreSQL 15 brought it")
    execute(database, *case.target)
    source = make_sqlite(tmp_path / "source.db", *case.source)
    before = state(database)
    planned = load(database, source, tmp_path / "forecast", dry_run=True)
    assert state(database) == before

    done = load(database, source, tmp_path / "report", keep_constraints=keep_constraints)
    assert_rejected(done, case.rejected)
    assert contents(database, *case.loaded) == case.loaded
    after = state(database)
    assert [after[what] for what in ("columns", "constraints", "indexes")] == [
        before[what] for what in ("columns", "constraints", "indexes")
    ]
    assert done.exit_code == (3 if case.rejected or case.altered else 0)
    if case.forecast:
        assert books(planned) == books(done)
        assert planned.rejects == done.rejects
        assert lines(planned) == lines(done)

    again = load(database, source, tmp_path / "again")
    assert state(database) == after
    for table, found in books(again).items():
        rows, loaded, _, rejected = books(done)[table]
        assert found == (rows, rows and 0, loaded, rejected)  # no numbers for a table that the source lacks
    assert any(table.present_different_rows for table in again.tables) == case.altered


@pytest.mark.parametrize("batch_rows", [1, 2, 50_000])
@pytest.mark.parametrize(
    ("keys", "rejected"),
    [
        ([1, 2, 3], []),
        ([3, 2, 1], []),
        ([1, 2, 2, 3], [3]),
        ([1, 2, 1, 2, 3], [3, 4]),
        ([2, 3, 1, 3, 4], [4]),
    ],
    ids=str,
)
def test_of_rows_with_one_key_the_first_stays_however_they_are_batched(
    database: Database, tmp_path: Path, keys: list[int], rejected: list[int], batch_rows: int
) -> None:
    execute(database, "CREATE TABLE t (id integer PRIMARY KEY)")
    rows = ", ".join(f"({key})" for key in keys)
    source = make_sqlite(tmp_path / "source.db", "CREATE TABLE t (id)", f"INSERT INTO t VALUES {rows}")
    done = load(database, source, tmp_path / "report", batch_rows=batch_rows, keep_constraints=True)
    reason = r"primary key t_pkey \(id\) is taken by row number"
    assert_rejected(done, [("t", number, "id", reason) for number in rejected])
    assert contents(database, "t") == {"t": sorted(f"({key})" for key in set(keys))}


def assert_rejected(report: Report, expected: list[Reject]) -> None:
    """The reject files hold these rows and no others, and the books agree."""
    found = [line for table in report.tables for line in rejects(report, table.name)]
    found.sort(key=lambda line: (line["table"], line["row_number"]))
    assert [(line["table"], line["row_number"], line["column"]) for line in found] == [
        row[:3] for row in sorted(expected, key=lambda row: row[:2])
    ]
    for line, row in zip(found, sorted(expected, key=lambda row: row[:2]), strict=True):
        assert re.search(row[3], line["reason"]), line
    assert sum(counts[3] or 0 for counts in books(report).values()) == len(expected)


def lines(report: Report) -> list[str]:
    """All reject lines but for the run's id."""
    found = [line for table in report.tables for line in rejects(report, table.name)]
    return sorted(str(line | {"run_id": ""}) for line in found)


def test_a_pooled_connection_that_has_had_temporary_tables_stays_with_its_memory(database: Database) -> None:
    """PostgreSQL refuses to change `temp_buffers` then; that must end no load."""
    with database.engine().connect() as connection:
        session = Session(connection)
        stage_in_memory(session)
        assert session.value(sql.SQL("SHOW temp_buffers")) == MEMORY
        session.driver.rollback()
        session.run(sql.SQL("CREATE TEMP TABLE t AS SELECT 1 AS id"))
        stage_in_memory(session)
        assert session.value(sql.SQL("SELECT id FROM t")) == 1
        assert session.value(sql.SQL("SHOW temp_buffers")) == "8MB"
