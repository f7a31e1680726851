"""Who may ask: files of tokens and of users, and passwords kept as scrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from resight.errors import InputError

__all__ = ["add_user", "hashed", "holds", "read_tokens", "read_users"]

_COST = {"n": 2**14, "r": 8, "p": 1}
_SALT_BYTES = 16
_SHORTEST_TOKEN = 20
_SHORTEST_PASSWORD = 8


def hashed(password: str) -> str:
    """A password as a users file keeps it: scrypt$salt$hash (RFC 7914, n = 2**14, r = 8, p = 1).

    Raises:
        InputError: when it has fewer than 8 characters.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise InputError(f"expected a password of at least {_SHORTEST_PASSWORD} characters, found {len(password)}")
    salt = secrets.token_bytes(_SALT_BYTES)
    return "$".join(("scrypt", _text(salt), _text(_scrypt(password, salt))))


def holds(kept: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; takes as long when there is no such user (`kept` None)."""
    _, salt, wanted = (kept or f"scrypt${_text(bytes(_SALT_BYTES))}$").split("$")
    found = _scrypt(password, base64.b64decode(salt))
    return hmac.compare_digest(found, base64.b64decode(wanted)) and kept is not None


def read_users(path: Path) -> dict[str, str]:
    """Name to hash, from lines of name:hash.

    Raises:
        InputError: when the file cannot be read, is empty, or a line is not of that kind.
    """
    users = {}
    for number, line in _lines(path):
        name, _, kept = line.partition(":")
        if not name or kept.count("$") != 2 or not kept.startswith("scrypt$"):
            raise InputError(f"expected name:scrypt$salt$hash in line {number} of {path}, found otherwise")
        users[name] = kept
    if not users:
        raise InputError(f"expected users in {path}, found none: add one with  --add-user NAME")
    return users


def read_tokens(path: Path) -> dict[str, str]:
    """Token to name, from lines of name:token.

    Raises:
        InputError: when the file cannot be read, is empty, or a token has fewer than 20 characters.
    """
    tokens = {}
    for number, line in _lines(path):
        name, _, token = line.partition(":")
        if not name.strip() or len(token.strip()) < _SHORTEST_TOKEN:
            raise InputError(
                f"expected name:token with at least {_SHORTEST_TOKEN} characters in line {number} of {path}, found "
                "otherwise: make one with  python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        tokens[token.strip()] = name.strip()
    if not tokens:
        raise InputError(f"expected tokens in {path}, found none: write lines of name:token into it")
    return tokens


def add_user(path: Path, name: str, password: str) -> None:
    """Write a user into a file, which only its owner may read; one of that name gets the new password.

    Raises:
        InputError: when the name is empty or holds a colon, the password is short, or the file cannot be written.
    """
    if not name.strip() or ":" in name or "\n" in name:
        raise InputError(f"expected a name without a colon, found {name!r}")
    kept = hashed(password)
    users = (read_users(path) if path.exists() else {}) | {name: kept}
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        beside.touch(mode=0o600)
        beside.write_text("".join(f"{one}:{hash_}\n" for one, hash_ in users.items()), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise InputError(f"expected a file to write users to, found {path}: {error.strerror}") from error


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"expected a text file at {path}, found: {getattr(error, 'strerror', error)}") from error
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
