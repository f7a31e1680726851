"""Who may ask: sessions and tokens, the Host header, where a write comes from, and what a browser is told.

The one-time link of a start is exchanged for a session cookie once. The cookie is no script's to read and goes with
requests of this very site only; a request that writes must besides come from a page of it. A bearer of a token comes
by no browser and is asked for no origin.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from starlette.requests import HTTPConnection

from resight.serve.problems import Problem
from resight.serve.settings import Settings
from resight.serve.users import holds

__all__ = ["HEADERS", "Guard", "User", "cookie_name"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # a form that is sent without one says nothing of its origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
_SESSION_S = 12 * 3600.0
_LINK_S = 3600.0
_N_SESSIONS = 1_000
_NO_LINK = "expected the token of the link, found another, a used or an old one: start the service anew for a new link"
_NO_ENTRY = "expected a session or a token, found none: open the link that the service printed when it was started"


@dataclass(frozen=True)
class User:
    """Who asks.

    Args:
        name: stands in the journal.
        by_cookie: whether a browser sent a cookie, so that the origin of a write counts.
    """

    name: str
    by_cookie: bool


@dataclass(eq=False)
class Guard:
    """The sessions of a service, and who gets one.

    Args:
        settings: hosts, tokens and users.
        one_time: the token of the link, good for an hour; None for none.
        clock: seconds, rising.
    """

    settings: Settings
    one_time: str | None = None
    clock: Callable[[], float] = time.monotonic
    _sessions: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Begin the hour of the link."""
        self._link_until = self.clock() + _LINK_S

    def enter_by_link(self, token: str) -> str:
        """A session for the one-time token, which is worth nothing afterwards.

        Raises:
            Problem: 403 when it is another one, was used, or is too old.
        """
        with self._lock:
            right = self.one_time is not None and _is(token, self.one_time)
            if not right or self.clock() > self._link_until:
                raise Problem(403, _NO_LINK)
            self.one_time = None
        return self._begin(self.settings.who)

    def enter_by_password(self, name: str, password: str) -> str:
        """A session for a user.

        Raises:
            Problem: 403 when there is no such user, or the password is another one.
        """
        if not holds(self.settings.users.get(name), password):
            raise Problem(403, "expected the name and password of a user, found others: try again")
        return self._begin(name)

    def leave(self, connection: HTTPConnection) -> None:
        """End the session of a request."""
        with self._lock:
            self._sessions.pop(_hash(connection.cookies.get(cookie_name(connection), "")), None)

    def user(self, connection: HTTPConnection) -> User:
        """Who asks.

        Raises:
            Problem: 401 when nobody known does.
        """
        kind, _, token = connection.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            found = _looked_up(self.settings.tokens, token.strip())
            if found is None:
                raise Problem(
                    401,
                    "expected a token that the service knows, found another one: ask who runs it",
                    {"WWW-Authenticate": "Bearer"},
                )
            return User(found, by_cookie=False)
        key = _hash(connection.cookies.get(cookie_name(connection), ""))
        with self._lock:
            name, until = self._sessions.get(key, ("", 0.0))
        if until <= self.clock():
            raise Problem(401, _NO_ENTRY, {"WWW-Authenticate": "Bearer"})
        return User(name, by_cookie=True)

    def check_host(self, connection: HTTPConnection) -> None:
        """Refuse a request that was addressed to another name: a foreign page that points its name at this machine.

        Raises:
            Problem: 400 when the name is none of ours.
        """
        host = connection.headers.get("host", "").lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        own = (connection.scope.get("server") or ("",))[0]  # the address that was reached: no name leads there
        if name not in self.settings.hosts and name.strip("[]") != own:
            raise Problem(400, "expected a name of this service as the host, found another one: allow it by  --name")

    def check_origin(self, connection: HTTPConnection, method: str, user: User | None) -> None:
        """Refuse a write that another site's page asks a browser for.

        Raises:
            Problem: 403 when the origin is another one, or a browser's cookie comes without any.
        """
        if method in _SAFE:
            return
        origin, site = connection.headers.get("origin"), connection.headers.get("sec-fetch-site")
        host = connection.headers.get("host", "")
        foreign = origin is not None and origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower())
        foreign |= site is not None and site not in ("same-origin", "none")
        nameless = origin is None and site is None and user is not None and user.by_cookie
        if foreign or nameless:
            raise Problem(403, "expected a request from a page of this service, found one from elsewhere")

    def _begin(self, name: str) -> str:
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_hash(session)] = (name, self.clock() + _SESSION_S)
            while len(self._sessions) > _N_SESSIONS:
                self._sessions.popitem(last=False)
        return session


def cookie_name(connection: HTTPConnection) -> str:
    """What the cookie of a session is called: a browser gives all ports of a machine the same cookies."""
    return f"resight_session_{(connection.scope.get('server') or ('', 0))[1] or 0}"


def _hash(text: str) -> str:
    """What a session is kept under: looking it up then tells nothing of it by its time."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _looked_up(tokens: dict[str, str], token: str) -> str | None:
    """The name of a token; every one is compared, so that the time tells nothing."""
    found = None
    for known, name in tokens.items():
        if _is(token, known):
            found = name
    return found


def _is(token: str, known: str) -> bool:
    return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), known.encode("utf-8", "surrogatepass"))
