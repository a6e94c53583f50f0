"""The 20 tables as PostgreSQL's own catalogue describes them after `create_missing`."""

from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text
from support.database import Database

from etl.schema.unified import TABLE_NAMES, create_missing

# table: columns, of them NOT NULL, unique constraints, foreign keys, checks, indexes (keys included)
TOTALS = {
    "users": (9, 3, 1, 0, 1, 4),
    "conversation_sessions": (6, 1, 0, 1, 0, 2),
    "custom_agents": (13, 3, 0, 1, 0, 1),
    "conversation_messages": (10, 4, 0, 1, 1, 3),
    "agent_usage_logs": (11, 2, 0, 2, 0, 3),
    "agent_feedback": (9, 3, 0, 1, 1, 2),
    "audit_logs": (9, 2, 0, 0, 0, 3),
    "alert_history": (10, 4, 0, 0, 0, 1),
    "user_memories": (12, 5, 1, 1, 1, 5),
    "memory_tags": (3, 3, 1, 1, 0, 3),
    "research_sessions": (12, 2, 0, 1, 2, 3),
    "research_steps": (9, 4, 0, 1, 0, 2),
    "agent_marketplace": (21, 4, 0, 2, 1, 4),
    "agent_reviews": (8, 4, 1, 2, 1, 3),
    "agent_installations": (4, 3, 1, 2, 0, 3),
    "canvas_documents": (12, 3, 1, 2, 1, 4),
    "canvas_versions": (7, 4, 0, 1, 0, 2),
    "external_connections": (12, 3, 1, 1, 1, 4),
    "external_files": (10, 4, 1, 1, 0, 3),
    "api_usage": (10, 2, 1, 0, 0, 3),
}

TYPES = {
    "boolean": 9,
    "integer": 28,
    "jsonb": 11,
    "real": 5,
    "text": 108,
    "timestamp with time zone": 36,
}

DEFAULTS = {
    "'user'::text": "users.role",
    "'🤖'::text": "custom_agents.emoji agent_marketplace.icon",
    "'pending'::text": "research_sessions.status research_steps.status agent_marketplace.status",
    "'standard'::text": "research_sessions.depth",
    "'document'::text": "canvas_documents.doc_type",
    "'1.0.0'::text": "agent_marketplace.version",
    "0.5": "user_memories.importance",
    "1": "canvas_documents.version",
    "0": "user_memories.access_count research_sessions.progress agent_marketplace.price agent_marketplace.downloads"
    " agent_marketplace.rating_avg agent_marketplace.rating_count agent_reviews.helpful_count api_usage.requests"
    " api_usage.tokens api_usage.errors api_usage.avg_response_time",
    "true": "users.is_active custom_agents.enabled agent_usage_logs.success agent_marketplace.is_free"
    " external_connections.is_active",
    "false": "alert_history.acknowledged agent_marketplace.is_featured agent_marketplace.is_verified"
    " canvas_documents.is_shared",
}

SERIAL_TABLES = (
    "conversation_messages",
    "agent_usage_logs",
    "audit_logs",
    "alert_history",
    "memory_tags",
    "research_steps",
    "agent_installations",
    "canvas_versions",
    "api_usage",
)

FOREIGN_KEYS = {
    "conversation_sessions_user_id_fkey": "users(id)",
    "custom_agents_created_by_fkey": "users(id)",
    "conversation_messages_session_id_fkey": "conversation_sessions(id) ON DELETE CASCADE",
    "agent_usage_logs_user_id_fkey": "users(id)",
    "agent_usage_logs_session_id_fkey": "conversation_sessions(id)",
    "agent_feedback_user_id_fkey": "users(id)",
    "user_memories_user_id_fkey": "users(id) ON DELETE CASCADE",
    "memory_tags_memory_id_fkey": "user_memories(id) ON DELETE CASCADE",
    "research_sessions_user_id_fkey": "users(id)",
    "research_steps_session_id_fkey": "research_sessions(id) ON DELETE CASCADE",
    "agent_marketplace_agent_id_fkey": "custom_agents(id)",
    "agent_marketplace_author_id_fkey": "users(id)",
    "agent_reviews_marketplace_id_fkey": "agent_marketplace(id) ON DELETE CASCADE",
    "agent_reviews_user_id_fkey": "users(id)",
    "agent_installations_marketplace_id_fkey": "agent_marketplace(id)",
    "agent_installations_user_id_fkey": "users(id)",
    "canvas_documents_user_id_fkey": "users(id)",
    "canvas_documents_session_id_fkey": "conversation_sessions(id)",
    "canvas_versions_document_id_fkey": "canvas_documents(id) ON DELETE CASCADE",
    "external_connections_user_id_fkey": "users(id) ON DELETE CASCADE",
    "external_files_connection_id_fkey": "external_connections(id) ON DELETE CASCADE",
}

UNIQUE = {
    "users_username_key": "(username)",
    "user_memories_user_id_category_key_key": "(user_id, category, key)",
    "memory_tags_memory_id_tag_key": "(memory_id, tag)",
    "agent_reviews_marketplace_id_user_id_key": "(marketplace_id, user_id)",
    "agent_installations_marketplace_id_user_id_key": "(marketplace_id, user_id)",
    "canvas_documents_share_token_key": "(share_token)",
    "external_connections_user_id_service_type_key": "(user_id, service_type)",
    "external_files_connection_id_external_id_key": "(connection_id, external_id)",
    "api_usage_date_api_key_id_key": "(date, api_key_id)",
}

CHECKS = {
    "users_role_check": "admin user guest",
    "conversation_messages_role_check": "user assistant system",
    "user_memories_category_check": "preference fact project relationship skill context",
    "research_sessions_status_check": "pending running completed failed cancelled",
    "research_sessions_depth_check": "quick standard deep",
    "agent_marketplace_status_check": "pending approved rejected suspended",
    "canvas_documents_doc_type_check": "document code diagram table",
    "external_connections_service_type_check": "google_drive notion github slack dropbox",
}

INDEXES = {
    "idx_users_email": "users (email)",
    "idx_users_username": "users (username)",
    "idx_sessions_user": "conversation_sessions (user_id)",
    "idx_messages_created": "conversation_messages (created_at)",
    "idx_messages_session": "conversation_messages (session_id)",
    "idx_agent_logs_agent": "agent_usage_logs (agent_id)",
    "idx_agent_logs_time": 'agent_usage_logs ("timestamp")',
    "idx_feedback_agent": "agent_feedback (agent_id)",
    "idx_audit_action": "audit_logs (action)",
    "idx_audit_time": 'audit_logs ("timestamp")',
    "idx_memories_category": "user_memories (category)",
    "idx_memories_importance": "user_memories (importance DESC)",
    "idx_memories_user": "user_memories (user_id)",
    "idx_memory_tags_memory": "memory_tags (memory_id)",
    "idx_research_status": "research_sessions (status)",
    "idx_research_user": "research_sessions (user_id)",
    "idx_research_steps_session": "research_steps (session_id)",
    "idx_marketplace_category": "agent_marketplace (category)",
    "idx_marketplace_downloads": "agent_marketplace (downloads DESC)",
    "idx_marketplace_status": "agent_marketplace (status)",
    "idx_reviews_marketplace": "agent_reviews (marketplace_id)",
    "idx_installations_user": "agent_installations (user_id)",
    "idx_canvas_session": "canvas_documents (session_id)",
    "idx_canvas_user": "canvas_documents (user_id)",
    "idx_canvas_versions_doc": "canvas_versions (document_id)",
    "idx_connections_service": "external_connections (service_type)",
    "idx_connections_user": "external_connections (user_id)",
    "idx_ext_files_connection": "external_files (connection_id)",
    "idx_usage_date": "api_usage (date)",
}

# name, type, NOT NULL, default — of the tables in which most differs from column to column
COLUMNS = {
    "users": """
        id            text                      required  -
        username      text                      required  -
        password_hash text                      required  -
        email         text                      -         -
        role          text                      -         'user'::text
        created_at    timestamp with time zone  -         now()
        updated_at    timestamp with time zone  -         now()
        last_login    timestamp with time zone  -         -
        is_active     boolean                   -         true
    """,
    "conversation_messages": """
        id            integer                   required  nextval('conversation_messages_id_seq'::regclass)
        session_id    text                      required  -
        role          text                      required  -
        content       text                      required  -
        model         text                      -         -
        agent_id      text                      -         -
        thinking      text                      -         -
        tokens        integer                   -         -
        response_time_ms  integer               -         -
        created_at    timestamp with time zone  -         now()
    """,
    "user_memories": """
        id            text                      required  -
        user_id       text                      required  -
        category      text                      required  -
        key           text                      required  -
        value         text                      required  -
        importance    real                      -         0.5
        access_count  integer                   -         0
        last_accessed  timestamp with time zone  -        -
        source_session_id  text                 -         -
        created_at    timestamp with time zone  -         now()
        updated_at    timestamp with time zone  -         now()
        expires_at    timestamp with time zone  -         -
    """,
    "agent_marketplace": """
        id            text                      required  -
        agent_id      text                      required  -
        author_id     text                      required  -
        title         text                      required  -
        description   text                      -         -
        long_description  text                  -         -
        category      text                      -         -
        tags          jsonb                     -         -
        icon          text                      -         '🤖'::text
        price         real                      -         0
        is_free       boolean                   -         true
        is_featured   boolean                   -         false
        is_verified   boolean                   -         false
        downloads     integer                   -         0
        rating_avg    real                      -         0
        rating_count  integer                   -         0
        version       text                      -         '1.0.0'::text
        status        text                      -         'pending'::text
        created_at    timestamp with time zone  -         now()
        updated_at    timestamp with time zone  -         now()
        published_at  timestamp with time zone  -         -
    """,
    "api_usage": """
        id            integer                   required  nextval('api_usage_id_seq'::regclass)
        date          text                      required  -
        api_key_id    text                      -         -
        requests      integer                   -         0
        tokens        integer                   -         0
        errors        integer                   -         0
        avg_response_time  real                 -         0
        models        jsonb                     -         -
        created_at    timestamp with time zone  -         now()
        updated_at    timestamp with time zone  -         now()
    """,
}


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection to an empty database; what the test does is not committed."""
    with database.engine().connect() as connection:
        yield connection


@pytest.fixture
def created(connection: Connection) -> Connection:
    """The same, with the 20 tables created."""
    assert create_missing(connection) == list(TOTALS)
    return connection


def constraints(connection: Connection, kind: str) -> dict[str, str]:
    """Name and definition of the constraints of one `contype`."""
    query = """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE contype = :kind AND connamespace = 'public'::regnamespace"""
    return dict(map(tuple, connection.execute(text(query), {"kind": kind})))


def columns(connection: Connection) -> list[tuple[str, str, str, bool, str | None]]:
    """Table, column, type, NOT NULL and default of every column, in order."""
    query = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
        ORDER BY c.oid, a.attnum"""
    return [tuple(row) for row in connection.execute(text(query))]


def test_totals(created: Connection) -> None:
    query = """
        SELECT c.relname,
               (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0),
               (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND attnotnull),
               (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'u'),
               (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),
               (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c'),
               (SELECT count(*) FROM pg_index WHERE indrelid = c.oid)
        FROM pg_class AS c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"""
    assert {row[0]: tuple(row[1:]) for row in created.execute(text(query))} == TOTALS
    assert tuple(TOTALS) == TABLE_NAMES


@pytest.mark.parametrize("table", COLUMNS)
def test_columns(created: Connection, table: str) -> None:
    found = [
        [name, *kind.split(), "required" if required else "-", default or "-"]
        for owner, name, kind, required, default in columns(created)
        if owner == table
    ]
    assert found == [line.split() for line in COLUMNS[table].strip().splitlines()]


def test_column_types(created: Connection) -> None:
    assert Counter(kind for _, _, kind, _, _ in columns(created)) == TYPES


def test_defaults(created: Connection) -> None:
    found: dict[str, list[str]] = {}
    for table, name, _, _, default in columns(created):
        found.setdefault(str(default), []).append(f"{table}.{name}")
    assert len(found.pop("now()")) == 28
    assert len(found.pop("None")) == 197 - 28 - 31 - len(SERIAL_TABLES)
    serials = {f"nextval('{table}_id_seq'::regclass)": [f"{table}.id"] for table in SERIAL_TABLES}
    assert {default: sorted(names) for default, names in found.items()} == serials | {
        default: sorted(names.split()) for default, names in DEFAULTS.items()
    }


def test_serial_sequences_belong_to_their_columns(created: Connection) -> None:
    for table in SERIAL_TABLES:
        query = text("SELECT pg_get_serial_sequence(:table, 'id')")
        assert created.scalar(query, {"table": table}) == f"public.{table}_id_seq"


def test_every_table_has_its_key(created: Connection) -> None:
    assert constraints(created, "p") == {f"{table}_pkey": "PRIMARY KEY (id)" for table in TOTALS}


def test_foreign_keys(created: Connection) -> None:
    found = {name: rule.split(" REFERENCES ")[1] for name, rule in constraints(created, "f").items()}
    assert found == FOREIGN_KEYS


def test_unique_constraints(created: Connection) -> None:
    assert constraints(created, "u") == {name: f"UNIQUE {rule}" for name, rule in UNIQUE.items()}


def test_checks(created: Connection) -> None:
    found = constraints(created, "c")
    for table in ("agent_feedback", "agent_reviews"):
        assert found.pop(f"{table}_rating_check") == "CHECK (((rating >= 1) AND (rating <= 5)))"
    values = {name: " ".join(rule.split("'")[1::2]) for name, rule in found.items()}
    assert values == CHECKS


def test_indexes(created: Connection) -> None:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'idx%'"
    assert dict(map(tuple, created.execute(text(query)))) == {
        name: f"CREATE INDEX {name} ON public.{table} USING btree {column}"
        for name, (table, column) in ((name, place.split(" ", 1)) for name, place in INDEXES.items())
    }


def test_second_time_creates_nothing(created: Connection) -> None:
    before = columns(created)
    assert create_missing(created) == []
    assert columns(created) == before


def test_existing_tables_stay_as_they_are(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE users (id text PRIMARY KEY, tier varchar(9) DEFAULT 'free')"))
    connection.execute(text("INSERT INTO users VALUES ('3', 'gold')"))
    connection.execute(text("CREATE TABLE api_usage (day date)"))
    created = create_missing(connection)
    assert created == [table for table in TOTALS if table not in ("users", "api_usage")]
    assert connection.execute(text("SELECT * FROM users")).all() == [("3", "gold")]
    own = [column for column in columns(connection) if column[0] in ("users", "api_usage")]
    assert [name for _, name, _, _, _ in own] == ["id", "tier", "day"]
    query = "SELECT indexname FROM pg_indexes WHERE tablename IN ('users', 'api_usage')"
    assert connection.scalars(text(query)).all() == ["users_pkey"]


def test_caller_decides_on_the_commit(database: Database) -> None:
    with database.engine().connect() as connection:
        create_missing(connection)
        connection.rollback()
        assert columns(connection) == []


def test_tables_go_into_the_current_schema(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE users (id text PRIMARY KEY)"))
    connection.execute(text('CREATE SCHEMA "Chat App"'))
    connection.execute(text('SET LOCAL search_path = "Chat App", public'))
    assert create_missing(connection) == list(TOTALS)
    query = "SELECT tablename FROM pg_tables WHERE schemaname = :schema"
    assert set(connection.scalars(text(query), {"schema": "Chat App"})) == set(TOTALS)
    assert connection.scalars(text(query), {"schema": "public"}).all() == ["users"]


@pytest.mark.parametrize("schema", ["public", "Extra Things"])
def test_trigram_indexes_where_the_extension_is_installed(connection: Connection, schema: str) -> None:
    if not connection.scalar(text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        pytest.skip("this PostgreSQL does not bring pg_trgm along")
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    connection.execute(text(f'CREATE EXTENSION pg_trgm SCHEMA "{schema}"'))
    connection.execute(text("CREATE TABLE user_memories (id text PRIMARY KEY, value text)"))
    create_missing(connection)
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE '%trgm'"
    ((name, definition),) = connection.execute(text(query))
    assert name == "idx_messages_content_trgm"
    assert "USING gin (content " in definition
    assert definition.endswith("gin_trgm_ops)")
