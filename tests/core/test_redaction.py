"""What may be shown of a value."""

import pytest

from etl.core.redaction import HIDDEN, SHOWN_CHARACTERS, is_secret, shown


@pytest.mark.parametrize(
    "column",
    [
        *("password", "password_hash", "PASSWORD", "access_token", "refresh_token", "shareToken", "token"),
        *("client_secret", "accesstoken", "APIToken", "secretKey", "credentials", "db_passwd"),
    ],
)
def test_secret_columns(column: str) -> None:
    assert is_secret(column)
    assert shown("hunter2", column=column) == HIDDEN


@pytest.mark.parametrize(
    "column",
    ["tokens", "max_tokens", "tokens_used", "token_expires_at", "tokenizer", "key", "username", "api_key_id", "", "列"],
)
def test_other_columns(column: str) -> None:
    assert not is_secret(column)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("abc", "'abc'"),
        ("it's\n\x00", '"it\'s\\n\\x00"'),
        (b"\x00\xff", "x'00ff'"),
        (1.0, "1.0"),
        (2, "2"),
        ("x" * 58, "'" + "x" * 58 + "'"),
        ("x" * 59, "'" + "x" * 57 + "…'"),
        ("x" * 10**6, "'" + "x" * 57 + "…'"),
        (b"\x00" * 1000, "x'" + "0" * 56 + "…'"),
    ],
)
def test_values_are_shortened(value: object, expected: str) -> None:
    assert shown(value, column="c") == expected
    assert len(expected) <= SHOWN_CHARACTERS
