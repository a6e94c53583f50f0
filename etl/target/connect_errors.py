"""What libpq says about a failed connection, as one line that a person can act on.

A new case is a new line of the table. Servers that speak another language than English, and cases that are not in the
table, are quoted with their own first line.
"""

import re

# what libpq or the server says → what it means, and what to do; the first line of the table that matches counts.
_CASES = [
    (
        r'server at "(?P<host>[^"]+)"[^,]*, port (?P<port>\d+) failed: Connection refused',
        "nothing listens at {host}:{port}; is the server running there, and are host and port right?",
    ),
    (
        r'socket "(?P<path>[^"]+)" failed: Permission denied',
        "the socket {path} is closed to this user; connect through a host name, or as the user who owns it",
    ),
    (
        r'socket "(?P<path>[^"]+)" failed: (?:No such file|Connection refused)',
        "no server listens on the socket {path}; is it running, or did you mean a host name?",
    ),
    (
        r'could not translate host name "(?P<host>[^"]*)"',
        'there is no host "{host}"; is its name right, and is the network up?',
    ),
    (
        r"timeout expired|Connection timed out|No route to host|Network is unreachable",
        "no answer; can the server be reached from here (firewall, VPN)? connect_timeout=30 in the URL: wait longer",
    ),
    (
        r'password authentication failed for user "(?P<user>[^"]*)"',
        'user "{user}" was refused; check name and password (in a URL, special characters are written as %XX)',
    ),
    (
        r"no password supplied",
        "the server asks for a password; put it into ~/.pgpass, PGPASSWORD or the URL",
    ),
    (
        r'(?i)(?:peer|ident) authentication failed for user "(?P<user>[^"]*)"',
        'only the system\'s own user "{user}" gets in as "{user}"; run as that user, or name a host and a password',
    ),
    (
        r"no pg_hba\.conf entry for (?P<whom>[^\n]*)",
        "the server's pg_hba.conf has no entry for {whom}; add one, or try sslmode=require if only encryption lacks",
    ),
    (
        r'role "(?P<user>[^"]*)" does not exist',
        'there is no user "{user}" on the server; create it, or name another one',
    ),
    (
        r'database "(?P<name>[^"]*)" does not exist',
        'there is no database "{name}" on the server; create it (createdb), or name another one',
    ),
    (
        r'permission denied for database "(?P<name>[^"]*)"',
        'the user may not connect to database "{name}"; its owner can GRANT CONNECT ON DATABASE "{name}" TO the user',
    ),
    (
        r'too many connections for role "(?P<user>[^"]*)"',
        'user "{user}" may have no more connections; close some, or ALTER ROLE "{user}" CONNECTION LIMIT',
    ),
    (
        r'too many connections for database "(?P<name>[^"]*)"',
        'database "{name}" may have no more connections; close some, or ALTER DATABASE "{name}" CONNECTION LIMIT',
    ),
    (
        r"too many clients|too many connections|connection slots are reserved",
        "all connections of the server are taken; close some and try again",
    ),
    (
        r"starting up|shutting down|in recovery mode|not yet accepting connections|not accepting connections",
        "the server is just starting or stopping; try again in a moment",
    ),
    (
        r"server does not support SSL",
        "the server has no SSL; sslmode=prefer connects without it, if that is safe in this network",
    ),
    (
        r"invalid response to SSL|during SSL exchange|expected authentication request",
        "what answers there is no PostgreSQL; are host and port right?",
    ),
    (
        r"(?P<line>[^\n]*(?:certificate|SSL)[^\n]*)",
        "no SSL connection: {line}; check sslmode and sslrootcert",
    ),
    (
        r'definition of service "(?P<name>[^"]*)" not found',
        'there is no service "{name}"; is it in ~/.pg_service.conf or in the file that PGSERVICEFILE names?',
    ),
    (
        r"server closed the connection unexpectedly",
        "the server closed the connection; its log says why",
    ),
]


def explain(message: str) -> str:
    """One line for libpq's `message`; for a case that the table lacks its own first line."""
    for pattern, meaning in _CASES:
        if found := re.search(pattern, message):
            return meaning.format(**found.groupdict())
    return message.strip().partition("\n")[0] or "no reason was given"
