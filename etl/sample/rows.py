"""The rows of the sample database: one small function per table, which thinks up its rows around those made before."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, product
from random import Random
from typing import Any
from uuid import UUID

from etl.sample import texts

SAMPLE_ROWS = {
    "users": 5,
    "conversation_sessions": 12,
    "custom_agents": 8,
    "conversation_messages": 342,
    "agent_usage_logs": 156,
    "agent_feedback": 23,
    "audit_logs": 89,
    "alert_history": 0,
    "user_memories": 45,
    "memory_tags": 67,
    "research_sessions": 3,
    "research_steps": 12,
    "agent_marketplace": 2,
    "agent_reviews": 1,
    "agent_installations": 2,
    "canvas_documents": 8,
    "canvas_versions": 15,
    "external_connections": 0,
    "external_files": 0,
    "api_usage": 30,
}
"""Rows per table of the sample, 820 in all."""

START = datetime(2025, 12, 1, 9)
END = datetime(2026, 2, 28, 18)

Row = dict[str, Any]  # column → str, int, float, bool, datetime, Json or None; an absent column takes its default


@dataclass(frozen=True)
class Json:
    """A value to be stored as JSON text, told apart from a plain text."""

    value: object


_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_CANVAS_VERSIONS = (1, 1, 2, 1, 3, 2, 4, 1)  # of the eight documents; their sum is the number of canvas_versions


def sample_rows() -> dict[str, list[Row]]:
    """The rows of every table of `SAMPLE_ROWS`, in an order that satisfies the foreign keys; the same on every call."""
    world = _World(seed=2026)
    for table, count in SAMPLE_ROWS.items():
        world.rows[table] = list(_MAKERS[table](world, count)) if count else []
    return world.rows


class _World:
    """The dice, and what has been made so far, so that later rows can refer to earlier ones."""

    def __init__(self, *, seed: int) -> None:
        self.dice = Random(seed)
        self.rows: dict[str, list[Row]] = {}

    def one(self, table: str) -> Row:
        return self.dice.choice(self.rows[table])

    def maybe(self, value: object, chance: float) -> object:
        return value if self.dice.random() < chance else None

    def uuid(self) -> str:
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def between(self, start: datetime, end: datetime) -> datetime:
        """A time after `start`; half of them in whole seconds, which `_stored` writes in SQLite's own format."""
        milliseconds = (end - start) // timedelta(milliseconds=1)
        moment = start + timedelta(milliseconds=self.dice.randint(1000, milliseconds))
        return moment.replace(microsecond=0) if self.dice.random() < 0.5 else moment

    def moments(self, table: str, count: int) -> list[tuple[Row, datetime]]:
        """`count` times within the lives of random rows of `table`, in the order of time."""
        owners = (self.one(table) for _ in range(count))
        found = [(owner, self.between(owner["created_at"], owner["updated_at"])) for owner in owners]
        return sorted(found, key=lambda pair: pair[1])

    def after(self, start: datetime, **within: float) -> datetime:
        return self.between(start, min(start + timedelta(**within), END))


def _users(world: _World, count: int) -> Iterator[Row]:
    for number, (name, role) in enumerate(texts.PEOPLE[:count], start=3):
        created = world.between(START, START + timedelta(days=20))
        yield {
            "id": str(number),
            "username": name,
            "password_hash": "$2b$10$" + "".join(world.dice.choices(_BCRYPT_ALPHABET, k=53)),
            "email": world.maybe(f"{name}@example.org", 0.8),
            "role": role,
            "created_at": created,
            "updated_at": world.after(created, days=20),
            "last_login": world.maybe(world.after(created, days=60), 0.6),
            "is_active": role != "guest",
        }


def _conversation_sessions(world: _World, count: int) -> Iterator[Row]:
    settings = ("default", {"theme": "dark", "pinned": True}, {"model": None, "temperature": 0.7}, ["ko", "en"], None)
    for _ in range(count):
        owner = world.one("users")
        created = world.between(owner["created_at"], END - timedelta(days=8))
        yield {
            "id": world.uuid(),
            "user_id": world.maybe(owner["id"], 0.75),
            "title": world.dice.choice(texts.TOPICS),
            "created_at": created,
            "updated_at": world.after(created, days=7),
            "metadata": world.maybe(Json(world.dice.choice(settings)), 0.8),
        }


def _custom_agents(world: _World, count: int) -> Iterator[Row]:
    for name, emoji, category, prompt in texts.AGENTS[:count]:
        owner = world.one("users")
        created = world.after(owner["created_at"], days=30)
        yield {
            "id": world.uuid(),
            "name": name,
            "description": world.dice.choice((f"{name} {emoji}", "", None)),
            "system_prompt": prompt,
            "keywords": Json(world.dice.sample(texts.TAGS, k=world.dice.randrange(4))),
            "category": category,
            "emoji": emoji,
            "temperature": world.dice.choice((0.2, 0.5, 0.7, 1.0, None)),
            "max_tokens": world.dice.choice((1024, 4096, None)),
            "created_by": world.maybe(owner["id"], 0.8),
            "enabled": world.dice.random() < 0.9,
            "created_at": created,
            "updated_at": world.after(created, days=10),
        }


def _conversation_messages(world: _World, count: int) -> list[Row]:
    turns: dict[str, int] = {}
    messages = []
    for session, moment in world.moments("conversation_sessions", count):
        turn = turns[session["id"]] = turns.get(session["id"], 0) + 1
        messages.append({"session_id": session["id"], **_message(world, session, turn), "created_at": moment})
    return messages


def _message(world: _World, session: Row, turn: int) -> Row:
    if turn % 2:
        return {"role": "user", "content": world.dice.choice(texts.QUESTIONS).format(topic=session["title"])}
    return {
        "role": "assistant",
        "content": world.dice.choice(texts.ANSWERS).format(topic=session["title"]),
        "model": world.dice.choice(texts.MODELS),
        "agent_id": world.maybe(world.one("custom_agents")["id"], 0.3),
        "thinking": world.dice.choice((None, None, "", "먼저 질문의 의도를 확인하자.\nThen answer briefly.")),
        "tokens": world.maybe(world.dice.randrange(20, 900), 0.7),
        "response_time_ms": world.dice.randrange(300, 12000),
    }


def _agent_usage_logs(world: _World, count: int) -> Iterator[Row]:
    for session, moment in world.moments("conversation_sessions", count):
        success = world.dice.random() < 0.93
        yield {
            "timestamp": moment,
            "user_id": session["user_id"],
            "session_id": world.maybe(session["id"], 0.9),
            "agent_id": world.dice.choice(("general", "coding", world.one("custom_agents")["id"])),
            "query": world.dice.choice(texts.QUESTIONS).format(topic=session["title"]),
            "response_preview": world.dice.choice(texts.ANSWERS).format(topic=session["title"])[:40] if success else "",
            "response_time_ms": world.dice.randrange(300, 30000),
            "tokens_used": world.maybe(world.dice.randrange(20, 900), 0.8),
            "success": success,
            "error_message": None if success else "timeout: model didn't answer within 30 s",
        }


def _agent_feedback(world: _World, count: int) -> Iterator[Row]:
    for session, moment in world.moments("conversation_sessions", count):
        yield {
            "id": world.uuid(),
            "agent_id": world.one("custom_agents")["id"],
            "user_id": session["user_id"],
            "rating": world.dice.randint(1, 5),
            "comment": world.dice.choice(texts.FEEDBACK),
            "query": world.dice.choice(texts.QUESTIONS).format(topic=session["title"]),
            "response": world.dice.choice(texts.ANSWERS).format(topic=session["title"]),
            "tags": world.maybe(Json(world.dice.sample(texts.TAGS, k=2)), 0.6),
            "created_at": moment,
        }


def _audit_logs(world: _World, count: int) -> Iterator[Row]:
    for session, moment in world.moments("conversation_sessions", count):
        action, resource = world.dice.choice(texts.ACTIONS)
        details = {"ok": action != "login_failed", "ms": world.dice.randrange(900) / 10, "메모": [1, None, "a\tb"]}
        yield {
            "timestamp": moment,
            "action": action,
            "user_id": session["user_id"],
            "resource_type": resource,
            "resource_id": session["id"] if resource == "session" else None,
            "details": world.maybe(Json(world.dice.choice((details, 3, True, action))), 0.8),
            "ip_address": f"192.0.2.{world.dice.randrange(1, 255)}",
            "user_agent": world.dice.choice(texts.USER_AGENTS),
        }


def _user_memories(world: _World, count: int) -> Iterator[Row]:
    choices = list(product(world.rows["users"], texts.MEMORIES))
    for user, (category, key, value) in world.dice.sample(choices, k=count):
        created = world.between(user["created_at"], END - timedelta(days=10))
        updated = world.after(created, days=5)
        yield {
            "id": world.uuid(),
            "user_id": user["id"],
            "category": category,
            "key": key,
            "value": value,
            "importance": world.dice.randrange(1, 11) / 10,
            "access_count": world.dice.randrange(20),
            "last_accessed": world.maybe(world.after(updated, days=3), 0.6),
            "source_session_id": world.maybe(world.one("conversation_sessions")["id"], 0.5),
            "created_at": created,
            "updated_at": updated,
            "expires_at": world.maybe(world.after(updated, days=9), 0.1),
        }


def _memory_tags(world: _World, count: int) -> Iterator[Row]:
    choices = list(product(world.rows["user_memories"], texts.TAGS))
    for memory, tag in world.dice.sample(choices, k=count):
        yield {"memory_id": memory["id"], "tag": tag}


def _research_sessions(world: _World, count: int) -> Iterator[Row]:
    states = (("completed", "deep", 100), ("running", "standard", 40), ("pending", "quick", 0))
    for status, depth, progress in islice(states, count):
        owner = world.one("users")
        topic = world.dice.choice(texts.TOPICS)
        created = world.between(owner["created_at"], END - timedelta(days=2))
        done = status == "completed"
        yield {
            "id": world.uuid(),
            "user_id": owner["id"],
            "topic": topic,
            "status": status,
            "depth": depth,
            "progress": progress,
            "summary": world.dice.choice(texts.ANSWERS).format(topic=topic) if done else None,
            "key_findings": Json(["작게 시작한다", "measure first 📏"]) if done else None,
            "sources": Json([{"url": "https://example.org/a?b=1&c=2", "score": 0.92}]) if done else Json([]),
            "created_at": created,
            "updated_at": (updated := world.after(created, hours=6)),
            "completed_at": updated if done else None,
        }


def _research_steps(world: _World, count: int) -> Iterator[Row]:
    sessions = world.rows["research_sessions"]
    for number in range(count):
        session, step = sessions[number % len(sessions)], number // len(sessions)
        done = session["status"] == "completed" or (session["status"] == "running" and step < 2)
        yield {
            "session_id": session["id"],
            "step_number": step + 1,
            "step_type": texts.STEP_TYPES[step % len(texts.STEP_TYPES)],
            "query": session["topic"],
            "result": world.dice.choice(texts.ANSWERS).format(topic=session["topic"]) if done else None,
            "sources": Json({"pages": step, "언어": "ko"}) if done else None,
            "status": "completed" if done else "pending",
            "created_at": world.between(session["created_at"], session["updated_at"]),
        }


def _agent_marketplace(world: _World, count: int) -> Iterator[Row]:
    for agent, status in zip(world.rows["custom_agents"][:count], ("approved", "pending"), strict=True):
        created = world.after(agent["updated_at"], days=5)
        approved = status == "approved"
        yield {
            "id": world.uuid(),
            "agent_id": agent["id"],
            "author_id": world.one("users")["id"],
            "title": agent["name"],
            "description": agent["system_prompt"],
            "long_description": "" if approved else None,
            "category": agent["category"],
            "tags": Json(["추천", agent["category"]]),
            "icon": agent["emoji"],
            "price": 0.0 if approved else 4.99,
            "is_free": approved,
            "is_featured": approved,
            "downloads": 2 if approved else 0,
            "rating_avg": 5.0 if approved else 0.0,
            "rating_count": int(approved),
            "status": status,
            "created_at": created,
            "updated_at": (updated := world.after(created, days=5)),
            "published_at": updated if approved else None,
        }


def _agent_reviews(world: _World, count: int) -> Iterator[Row]:
    offer = world.rows["agent_marketplace"][0]
    for user in world.rows["users"][:count]:
        yield {
            "id": world.uuid(),
            "marketplace_id": offer["id"],
            "user_id": user["id"],
            "rating": 5,
            "title": "최고예요 ⭐",
            "content": "It's short, and it quotes the line.\n강력 추천!",
            "helpful_count": 3,
            "created_at": world.after(offer["updated_at"], days=5),
        }


def _agent_installations(world: _World, count: int) -> Iterator[Row]:
    offer = world.rows["agent_marketplace"][0]
    for user in world.rows["users"][:count]:
        moment = world.after(offer["updated_at"], days=5)
        yield {"marketplace_id": offer["id"], "user_id": user["id"], "installed_at": moment}


def _canvas_documents(world: _World, count: int) -> Iterator[Row]:
    for version in islice(_CANVAS_VERSIONS, count):
        session = world.one("conversation_sessions")
        doc_type = world.dice.choice(("document", "code", "diagram", "table"))
        shared = world.dice.random() < 0.4
        created = world.between(session["created_at"], session["updated_at"])
        yield {
            "id": world.uuid(),
            "user_id": session["user_id"] or world.one("users")["id"],
            "session_id": world.maybe(session["id"], 0.8),
            "title": session["title"],
            "doc_type": doc_type,
            "content": texts.CODE
            if doc_type == "code"
            else world.dice.choice((texts.ANSWERS[2].format(topic=session["title"]), "")),
            "language": "python" if doc_type == "code" else None,
            "version": version,
            "is_shared": shared,
            "share_token": f"share-{world.dice.getrandbits(64):016x}" if shared else None,
            "created_at": created,
            "updated_at": world.after(created, days=2),
        }


def _canvas_versions(world: _World, count: int) -> Iterator[Row]:
    versions = ((document, n) for document in world.rows["canvas_documents"] for n in range(1, document["version"] + 1))
    for document, version in islice(versions, count):
        yield {
            "document_id": document["id"],
            "version": version,
            "content": f"{document['content']}\n<!-- v{version} -->",
            "change_summary": "첫 버전" if version == 1 else world.dice.choice(("fixed typos", "", None)),
            "created_by": document["user_id"],
            "created_at": world.between(document["created_at"], document["updated_at"]),
        }


def _api_usage(world: _World, count: int) -> Iterator[Row]:
    days = [END - timedelta(days=ago) for ago in range(count // 2, 0, -1)]
    for day, key in product(days, ("key-main", None)):
        requests = world.dice.randrange(400)
        yield {
            "date": day.date().isoformat(),
            "api_key_id": key,
            "requests": requests,
            "tokens": requests * world.dice.randrange(50, 900),
            "errors": requests // 50,
            "avg_response_time": world.dice.randrange(4000) / 8,
            "models": Json({model: requests for model in texts.MODELS if model}) if requests > 50 else None,
            "created_at": day,
            "updated_at": world.after(day, hours=5),
        }


_MAKERS: dict[str, Callable[[_World, int], Iterable[Row]]] = {
    "users": _users,
    "conversation_sessions": _conversation_sessions,
    "custom_agents": _custom_agents,
    "conversation_messages": _conversation_messages,
    "agent_usage_logs": _agent_usage_logs,
    "agent_feedback": _agent_feedback,
    "audit_logs": _audit_logs,
    "user_memories": _user_memories,
    "memory_tags": _memory_tags,
    "research_sessions": _research_sessions,
    "research_steps": _research_steps,
    "agent_marketplace": _agent_marketplace,
    "agent_reviews": _agent_reviews,
    "agent_installations": _agent_installations,
    "canvas_documents": _canvas_documents,
    "canvas_versions": _canvas_versions,
    "api_usage": _api_usage,
}
