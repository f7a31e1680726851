"""Photos behind a URL: the place that a catalogue gives them, among paths of which no disk has the like."""

from __future__ import annotations

import re
from pathlib import Path

from resight.errors import InputError

__all__ = ["is_url", "place_of", "url_of"]

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+]+)://(?P<rest>[^/].*)")
_PLACE = re.compile(r"/(?P<scheme>[a-z][a-z0-9+]+):/(?P<rest>.+)")


def is_url(source: object) -> bool:
    """Whether a text is the address of photos elsewhere, such as `s3://bucket/photos`."""
    return isinstance(source, str) and _URL.fullmatch(source) is not None


def place_of(url: str) -> Path:
    """The path by which a catalogue knows what lies behind a URL.

    Raises:
        InputError: when it is no URL, or holds a password: catalogues are shared.

    Example:
        >>> place_of("s3://bucket/photos").as_posix()
        '/s3:/bucket/photos'
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise InputError(f"expected a URL such as s3://bucket/photos, found '{url}'")
    if "@" in found["rest"].partition("/")[0]:
        raise InputError(
            f"expected a URL without a password, found one of {found['scheme']}:// with a '@': put the password where "
            "the service looks for it, such as environment variables"
        )
    return Path(f"/{found['scheme']}:/{found['rest']}")


def url_of(place: Path) -> str | None:
    """The URL that a path stands for; None of a path on disk.

    Example:
        >>> url_of(place_of("s3://bucket/photos") / "a.jpg")
        's3://bucket/photos/a.jpg'
        >>> url_of(Path("/photos/a.jpg")) is None
        True
    """
    found = _PLACE.fullmatch(place.as_posix())
    return None if found is None else f"{found['scheme']}://{found['rest']}"
