"""Who may ask: files of tokens and of users, and passwords kept as scrypt hashes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from tempfile import mkstemp

from resight.errors import InputError

__all__ = ["add_user", "check_name", "hashed", "holds", "read_tokens", "read_users"]

_COST = {"n": 2**14, "r": 8, "p": 1}
_SALT_BYTES, _HASH_BYTES = 16, 64
_NAME = re.compile(r"[^\s:#]{1,300}")
_SHORTEST_TOKEN = 20
_SHORTEST_PASSWORD = 8


def hashed(password: str) -> str:
    """A password as a users file keeps it: scrypt$salt$hash (RFC 7914, n = 2**14, r = 8, p = 1).

    Raises:
        InputError: when it has fewer than 8 characters.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise InputError(
            f"expected a password of at least {_SHORTEST_PASSWORD} characters, found {len(password)}: take a longer one"
        )
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
    users = _users(path)
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


def add_user(path: Path, name: str, password: str) -> bool:
    """Write a user into a file, which only its owner may read; one of that name gets the new password.

    The file is made where there is none, and replaced as a whole: whoever reads it meanwhile reads the old one.

    Returns:
        Whether there was one of that name.

    Raises:
        InputError: when the name cannot stand in such a file, the password is short, the file holds something else
            than users, or cannot be written.
    """
    check_name(name)
    kept = hashed(password)
    place = path.resolve()  # what a link leads to is replaced, not the link
    users = _users(place) if place.exists() else {}
    try:
        _replace(place, "".join(f"{one}:{hash_}\n" for one, hash_ in {**users, name: kept}.items()))
    except OSError as error:
        raise InputError(
            f"expected a file to write users to, found {path}: {error.strerror}; give another one as --users"
        ) from error
    return name in users


def check_name(name: str) -> None:
    """Refuse a name that a line of a users file cannot hold.

    Raises:
        InputError: when it is empty or too long, or holds a blank, "#", ":" or what cannot be printed.
    """
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise InputError(
            f"expected a name of 1 to 300 characters without blanks, '#' and ':', found {name!r}: take another one"
        )


def _replace(place: Path, text: str) -> None:
    descriptor, beside = mkstemp(dir=place.parent, prefix=f".{place.name}.")  # only its owner may read it
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(place)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def _users(path: Path) -> dict[str, str]:
    users = {}
    for number, line in _lines(path):
        name, _, kept = line.partition(":")
        if not name or not _is_hash(kept):
            raise InputError(
                f"expected name:scrypt$salt$hash in line {number} of {path}, found otherwise: take the line away and "
                "write the user with  --add-user NAME"
            )
        users[name] = kept
    return users


def _is_hash(kept: str) -> bool:
    kind, *parts = kept.split("$")
    try:
        sizes = [len(base64.b64decode(part, validate=True)) for part in parts]
    except ValueError:
        return False
    return kind == "scrypt" and sizes == [_SALT_BYTES, _HASH_BYTES]


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"expected a text file at {path}, found: {getattr(error, 'strerror', error)}") from error
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
