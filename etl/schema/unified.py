"""The application's 20 tables, described once; the rest of the product asks this module or a database's own catalogue.

Constraints bear the names that PostgreSQL itself would give them, so that a database made here and one made by the
application cannot be told apart. `create_missing` makes the tables that a database lacks and changes nothing else.
"""

from sqlalchemy import (
    REAL,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.sqlite import JSON
from sqlalchemy.schema import SchemaItem

from etl.core.types import TargetType, named_type

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",  # the constraint is named after its column
    }
)

# In SQLite the application declares them DATETIME, INTEGER and JSON.
TIMESTAMPTZ = DateTime(timezone=True)
FLAG = Boolean().with_variant(Integer(), "sqlite")
DOCUMENT = JSONB().with_variant(JSON(), "sqlite")
CASCADE = "CASCADE"


def _table(name: str, *items: SchemaItem) -> Table:
    """Add a table; in SQLite its integer key is AUTOINCREMENT, which like PostgreSQL's serial never reuses a number."""
    return Table(name, metadata, *items, sqlite_autoincrement=True)


def _text_key() -> SchemaItem:
    return Column("id", Text, primary_key=True)


def _serial_key() -> SchemaItem:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _text(name: str, default: str | None = None, *, required: bool = False, unique: bool = False) -> SchemaItem:
    return Column(name, Text, nullable=not required, unique=unique or None, server_default=default)


def _ref(name: str, target: str, ondelete: str | None = None, *, required: bool = False) -> SchemaItem:
    return Column(name, Text, ForeignKey(target, ondelete=ondelete), nullable=not required)


def _integer(name: str, default: int | None = None, *, required: bool = False) -> SchemaItem:
    return Column(name, Integer, nullable=not required, server_default=None if default is None else text(str(default)))


def _real(name: str, default: str | None = None) -> SchemaItem:
    return Column(name, REAL, server_default=None if default is None else text(default))


def _flag(name: str, *, default: bool) -> SchemaItem:
    return Column(name, FLAG, server_default=true() if default else false())


def _json(name: str) -> SchemaItem:
    return Column(name, DOCUMENT)


def _time(name: str) -> SchemaItem:
    return Column(name, TIMESTAMPTZ)


def _time_now(name: str) -> SchemaItem:
    return Column(name, TIMESTAMPTZ, server_default=func.now())


def _one_of(column: str, *values: str) -> SchemaItem:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _between(column: str, low: int, high: int) -> SchemaItem:
    return CheckConstraint(f"{column} >= {low} AND {column} <= {high}", name=column)


_table(
    "users",
    _text_key(),
    _text("username", required=True, unique=True),
    _text("password_hash", required=True),
    _text("email"),
    _text("role", "user"),
    _time_now("created_at"),
    _time_now("updated_at"),
    _time("last_login"),
    _flag("is_active", default=True),
    _one_of("role", "admin", "user", "guest"),
    Index("idx_users_email", "email"),
    Index("idx_users_username", "username"),
)

_table(
    "conversation_sessions",
    _text_key(),
    _ref("user_id", "users.id"),
    _text("title"),
    _time_now("created_at"),
    _time_now("updated_at"),
    _json("metadata"),
    Index("idx_sessions_user", "user_id"),
)

_table(
    "custom_agents",
    _text_key(),
    _text("name", required=True),
    _text("description"),
    _text("system_prompt", required=True),
    _json("keywords"),
    _text("category"),
    _text("emoji", "🤖"),
    _real("temperature"),
    _integer("max_tokens"),
    _ref("created_by", "users.id"),
    _flag("enabled", default=True),
    _time_now("created_at"),
    _time_now("updated_at"),
)

_table(
    "conversation_messages",
    _serial_key(),
    _ref("session_id", "conversation_sessions.id", CASCADE, required=True),
    _text("role", required=True),
    _text("content", required=True),
    _text("model"),
    _text("agent_id"),
    _text("thinking"),
    _integer("tokens"),
    _integer("response_time_ms"),
    _time_now("created_at"),
    _one_of("role", "user", "assistant", "system"),
    Index("idx_messages_created", "created_at"),
    Index("idx_messages_session", "session_id"),
)

_table(
    "agent_usage_logs",
    _serial_key(),
    _time_now("timestamp"),
    _ref("user_id", "users.id"),
    _ref("session_id", "conversation_sessions.id"),
    _text("agent_id", required=True),
    _text("query"),
    _text("response_preview"),
    _integer("response_time_ms"),
    _integer("tokens_used"),
    _flag("success", default=True),
    _text("error_message"),
    Index("idx_agent_logs_agent", "agent_id"),
    Index("idx_agent_logs_time", "timestamp"),
)

_table(
    "agent_feedback",
    _text_key(),
    _text("agent_id", required=True),
    _ref("user_id", "users.id"),
    _integer("rating", required=True),
    _text("comment"),
    _text("query"),
    _text("response"),
    _json("tags"),
    _time_now("created_at"),
    _between("rating", 1, 5),
    Index("idx_feedback_agent", "agent_id"),
)

_table(
    "audit_logs",
    _serial_key(),
    _time_now("timestamp"),
    _text("action", required=True),
    _text("user_id"),
    _text("resource_type"),
    _text("resource_id"),
    _json("details"),
    _text("ip_address"),
    _text("user_agent"),
    Index("idx_audit_action", "action"),
    Index("idx_audit_time", "timestamp"),
)

_table(
    "alert_history",
    _serial_key(),
    _text("type", required=True),
    _text("severity", required=True),
    _text("title", required=True),
    _text("message"),
    _json("data"),
    _flag("acknowledged", default=False),
    _text("acknowledged_by"),
    _time_now("created_at"),
    _time("acknowledged_at"),
)

_table(
    "user_memories",
    _text_key(),
    _ref("user_id", "users.id", CASCADE, required=True),
    _text("category", required=True),
    _text("key", required=True),
    _text("value", required=True),
    _real("importance", "0.5"),
    _integer("access_count", 0),
    _time("last_accessed"),
    _text("source_session_id"),
    _time_now("created_at"),
    _time_now("updated_at"),
    _time("expires_at"),
    UniqueConstraint("user_id", "category", "key"),
    _one_of("category", "preference", "fact", "project", "relationship", "skill", "context"),
    Index("idx_memories_category", "category"),
    Index("idx_memories_importance", text("importance DESC")),
    Index("idx_memories_user", "user_id"),
)

_table(
    "memory_tags",
    _serial_key(),
    _ref("memory_id", "user_memories.id", CASCADE, required=True),
    _text("tag", required=True),
    UniqueConstraint("memory_id", "tag"),
    Index("idx_memory_tags_memory", "memory_id"),
)

_table(
    "research_sessions",
    _text_key(),
    _ref("user_id", "users.id"),
    _text("topic", required=True),
    _text("status", "pending"),
    _text("depth", "standard"),
    _integer("progress", 0),
    _text("summary"),
    _json("key_findings"),
    _json("sources"),
    _time_now("created_at"),
    _time_now("updated_at"),
    _time("completed_at"),
    _one_of("status", "pending", "running", "completed", "failed", "cancelled"),
    _one_of("depth", "quick", "standard", "deep"),
    Index("idx_research_status", "status"),
    Index("idx_research_user", "user_id"),
)

_table(
    "research_steps",
    _serial_key(),
    _ref("session_id", "research_sessions.id", CASCADE, required=True),
    _integer("step_number", required=True),
    _text("step_type", required=True),
    _text("query"),
    _text("result"),
    _json("sources"),
    _text("status", "pending"),
    _time_now("created_at"),
    Index("idx_research_steps_session", "session_id"),
)

_table(
    "agent_marketplace",
    _text_key(),
    _ref("agent_id", "custom_agents.id", required=True),
    _ref("author_id", "users.id", required=True),
    _text("title", required=True),
    _text("description"),
    _text("long_description"),
    _text("category"),
    _json("tags"),
    _text("icon", "🤖"),
    _real("price", "0"),
    _flag("is_free", default=True),
    _flag("is_featured", default=False),
    _flag("is_verified", default=False),
    _integer("downloads", 0),
    _real("rating_avg", "0"),
    _integer("rating_count", 0),
    _text("version", "1.0.0"),
    _text("status", "pending"),
    _time_now("created_at"),
    _time_now("updated_at"),
    _time("published_at"),
    _one_of("status", "pending", "approved", "rejected", "suspended"),
    Index("idx_marketplace_category", "category"),
    Index("idx_marketplace_downloads", text("downloads DESC")),
    Index("idx_marketplace_status", "status"),
)

_table(
    "agent_reviews",
    _text_key(),
    _ref("marketplace_id", "agent_marketplace.id", CASCADE, required=True),
    _ref("user_id", "users.id", required=True),
    _integer("rating", required=True),
    _text("title"),
    _text("content"),
    _integer("helpful_count", 0),
    _time_now("created_at"),
    UniqueConstraint("marketplace_id", "user_id"),
    _between("rating", 1, 5),
    Index("idx_reviews_marketplace", "marketplace_id"),
)

_table(
    "agent_installations",
    _serial_key(),
    _ref("marketplace_id", "agent_marketplace.id", required=True),
    _ref("user_id", "users.id", required=True),
    _time_now("installed_at"),
    UniqueConstraint("marketplace_id", "user_id"),
    Index("idx_installations_user", "user_id"),
)

_table(
    "canvas_documents",
    _text_key(),
    _ref("user_id", "users.id", required=True),
    _ref("session_id", "conversation_sessions.id"),
    _text("title", required=True),
    _text("doc_type", "document"),
    _text("content"),
    _text("language"),
    _integer("version", 1),
    _flag("is_shared", default=False),
    _text("share_token", unique=True),
    _time_now("created_at"),
    _time_now("updated_at"),
    _one_of("doc_type", "document", "code", "diagram", "table"),
    Index("idx_canvas_session", "session_id"),
    Index("idx_canvas_user", "user_id"),
)

_table(
    "canvas_versions",
    _serial_key(),
    _ref("document_id", "canvas_documents.id", CASCADE, required=True),
    _integer("version", required=True),
    _text("content", required=True),
    _text("change_summary"),
    _text("created_by"),
    _time_now("created_at"),
    Index("idx_canvas_versions_doc", "document_id"),
)

_table(
    "external_connections",
    _text_key(),
    _ref("user_id", "users.id", CASCADE, required=True),
    _text("service_type", required=True),
    _text("access_token"),
    _text("refresh_token"),
    _time("token_expires_at"),
    _text("account_email"),
    _text("account_name"),
    _json("metadata"),
    _flag("is_active", default=True),
    _time_now("created_at"),
    _time_now("updated_at"),
    UniqueConstraint("user_id", "service_type"),
    _one_of("service_type", "google_drive", "notion", "github", "slack", "dropbox"),
    Index("idx_connections_service", "service_type"),
    Index("idx_connections_user", "user_id"),
)

_table(
    "external_files",
    _text_key(),
    _ref("connection_id", "external_connections.id", CASCADE, required=True),
    _text("external_id", required=True),
    _text("file_name", required=True),
    _text("file_type"),
    _integer("file_size"),
    _text("web_url"),
    _time("last_synced"),
    _text("cached_content"),
    _time_now("created_at"),
    UniqueConstraint("connection_id", "external_id"),
    Index("idx_ext_files_connection", "connection_id"),
)

_table(
    "api_usage",
    _serial_key(),
    _text("date", required=True),
    _text("api_key_id"),
    _integer("requests", 0),
    _integer("tokens", 0),
    _integer("errors", 0),
    _real("avg_response_time", "0"),
    _json("models"),
    _time_now("created_at"),
    _time_now("updated_at"),
    UniqueConstraint("date", "api_key_id"),
    Index("idx_usage_date", "date"),
)

TABLE_NAMES: tuple[str, ...] = tuple(metadata.tables)
"""The tables in the order above, which is also an order that satisfies every foreign key."""

# Search by any part of a text; PostgreSQL has this only where the extension pg_trgm is installed.
_TRIGRAM_INDEXES = (
    ("idx_messages_content_trgm", "conversation_messages", "content"),
    ("idx_memories_value_trgm", "user_memories", "value"),
)


def target_types(table: str) -> dict[str, TargetType]:
    """The column types of one of the 20 tables, where there is no target to ask; empty for any other table."""
    columns = metadata.tables[table].columns if table in metadata.tables else ()
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return {column.name: named_type(column.type.compile(dialect)) for column in columns}


def create_missing(connection: Connection) -> list[str]:
    """Create those of the 20 tables, with their indexes, that the connection's current schema lacks.

    Returns their names in the order of creation. What exists is left as it is, whatever it looks like. Works in the
    connection's current transaction and leaves the commit to the caller; SQLAlchemy's errors pass through.
    """
    existing = _relations(connection)
    missing = [table for name, table in metadata.tables.items() if name not in existing]
    for table in missing:
        table.create(connection, checkfirst=False)
    created = [table.name for table in missing]
    _create_trigram_indexes(connection, created)
    return created


def _relations(connection: Connection) -> set[str]:
    """Names of everything that stands in the way of a new table in the current schema: tables, views, sequences …"""
    # SQLAlchemy's inspector remembers the schema of the engine's first connection; search_path may have changed since.
    query = text(
        "SELECT relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = current_schema()"
    )
    return set(connection.scalars(query))


def _create_trigram_indexes(connection: Connection, tables: list[str]) -> None:
    schema = connection.scalar(
        text("SELECT extnamespace::regnamespace::text FROM pg_catalog.pg_extension WHERE extname = 'pg_trgm'")
    )
    if schema is None:
        return
    for index, table, column in _TRIGRAM_INDEXES:
        if table in tables:
            # The extension may live outside the search path, hence the qualified operator class.
            connection.execute(text(f"CREATE INDEX {index} ON {table} USING gin ({column} {schema}.gin_trgm_ops)"))
