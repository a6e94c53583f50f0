"""A proxy on loopback between a load and its PostgreSQL: it reads the statements that pass, and then does harm.

    with Proxy(database.url) as proxy:
        proxy.at(Point("COPY", 3), lambda line: line.cut())
        load(through(database, proxy), …)

The harm is done by the thread that carries the statement, so nothing else has happened when it is done: exactly there,
on every machine. Only the one connection is concerned; others pass untouched unless `refuse` or `stall` is called.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import psycopg2
from sqlalchemy import make_url

Act = Callable[["Line"], None]


@dataclass(frozen=True)
class Point:
    """The `nth` statement that matches: before it reaches the server, or when its answer is about to reach the client.

    Of COPY … FROM STDIN it is the `nth` message with data, and is met in the middle of it.
    """

    pattern: str
    nth: int = 1
    answered: bool = False

    def __str__(self) -> str:
        return f"{self.pattern} {self.nth}{' answered' if self.answered else ''}"


class Line:
    """One connection of the client's through the proxy."""

    def __init__(self, proxy: "Proxy", client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.ended = threading.Event()
        self._open = threading.Event()  # cleared: nothing passes any more
        self._open.set()
        self._awaiting_answer: Act | None = None
        self._copying: str | None = None

    # -- harm ---------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """The network is gone: both ends hear of it."""
        self.cut_client()
        _hang_up(self.server)

    def cut_client(self) -> None:
        """The client hears that the network is gone; the server does not, and waits."""
        self._open.clear()
        _hang_up(self.client)

    def stall(self) -> None:
        """The network takes what is sent as long as there is room, and delivers nothing."""
        self._open.clear()

    # -- traffic ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Carries both directions until an end hangs up."""
        for carry in (self._carry_statements, self._carry_answers):
            threading.Thread(target=self._carrying, args=(carry,), name="proxy", daemon=True).start()

    def _carrying(self, carry: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError):
                carry()
        finally:
            if self._open.is_set():
                _hang_up(self.client)
                _hang_up(self.server)
                self.ended.set()

    def _carry_statements(self) -> None:
        read = self.client.makefile("rb")
        size = _exactly(read, 4)  # the startup message has no type; SSL and GSS are off
        self.server.sendall(size + _exactly(read, int.from_bytes(size) - 4))
        while kind := read.read(1):
            size = _exactly(read, 4)
            message = kind + size + _exactly(read, int.from_bytes(size) - 4)
            rest = self._meet(kind, message)
            if not self._passes():
                return
            self.proxy.pace(len(rest))
            self.server.sendall(rest)

    def _meet(self, kind: bytes, message: bytes) -> bytes:
        """Acts if this is a point; gives what is still to be sent of the message."""
        if kind == b"Q":
            statement = message[5:-1].decode()
            self._copying = statement if re.match(r"COPY [^(]", statement) else None
            for point, act in () if self._copying else self.proxy.reached(statement):
                if point.answered:
                    self._awaiting_answer = act
                else:
                    act(self)
        elif kind == b"d" and self._copying:
            for _, act in self.proxy.reached(self._copying):
                half = len(message) // 2
                self.server.sendall(message[:half])
                act(self)
                return message[half:]
        return message

    def _carry_answers(self) -> None:
        while data := self.server.recv(2**16):
            act, self._awaiting_answer = self._awaiting_answer, None
            if act is not None:
                act(self)
            if not self._passes():
                return
            self.proxy.pace(len(data))
            self.client.sendall(data)

    def _passes(self) -> bool:
        """False, once the other end has gone, on a line that was cut or stalled."""
        if not self._open.is_set():
            self.proxy.closed.wait()
        return self._open.is_set()


class Proxy:
    """Listens on 127.0.0.1; `url` is the database's through it."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        with contextlib.closing(psycopg2.connect(target.set(drivername="postgresql").render_as_string(False))) as probe:
            self._host, self._server_port = probe.info.host, probe.info.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listening = True
        self._stalled = False
        self._lines: list[Line] = []
        self._points: dict[Point, Act] = {}
        self._seen: dict[Point, int] = {}
        self._bytes_a_second = 0.0
        self.closed = threading.Event()
        self.acted: list[Point] = []
        self.statements: list[str] = []
        port = self._listener.getsockname()[1]
        query = {"sslmode": "disable", "gssencmode": "disable"}
        kept = {name: value for name, value in target.query.items() if name not in ("host", "port")}
        self.url = (target._replace(host="127.0.0.1", port=port, query={**kept, **query})).render_as_string(
            hide_password=False
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self.closed.set()
        for line in self._lines:
            _hang_up(line.client)
            _hang_up(line.server)
            line.client.close()
            line.server.close()

    def at(self, point: Point, act: Act) -> None:
        """Do this at that point, once."""
        self._points[point] = act

    def refuse(self) -> None:
        """No new connection comes through any more."""
        if self._listening:
            self._listening = False
            _hang_up(self._listener)  # wakes `accept`
            self._listener.close()

    def stall(self) -> None:
        """New connections are accepted, and nothing answers."""
        self._stalled = True

    def slow_down(self, bytes_a_second: float) -> None:
        """From now on everything goes through a narrow line."""
        self._bytes_a_second = bytes_a_second

    # -- for the lines ------------------------------------------------------------------------------------------

    def reached(self, statement: str) -> Iterator[tuple[Point, Act]]:
        """The points that this statement is."""
        self.statements.append(statement)
        for point, act in self._points.items():
            if re.match(point.pattern, statement):
                self._seen[point] = self._seen.get(point, 0) + 1
                if self._seen[point] == point.nth:
                    self.acted.append(point)
                    yield point, act

    def pace(self, size: int) -> None:
        """Waits as long as so many bytes take."""
        if self._bytes_a_second:
            self.closed.wait(size / self._bytes_a_second)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX if self._host.startswith("/") else socket.AF_INET)
                line = Line(self, client, server)
                self._lines.append(line)
                if self._stalled:
                    continue
                try:
                    self._connect(server)
                except OSError:  # no server there: the client sees its connection closed
                    client.close()
                    continue
                line.start()

    def _connect(self, server: socket.socket) -> None:
        unix = str(Path(self._host) / f".s.PGSQL.{self._server_port}")
        server.connect(unix if self._host.startswith("/") else (self._host, self._server_port))


def _exactly(read: BinaryIO, size: int) -> bytes:
    data = read.read(size)
    if len(data) < size:
        raise ConnectionError("hung up in the middle of a message")
    return data


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was not connected, or is not any more
        end.shutdown(socket.SHUT_RDWR)
