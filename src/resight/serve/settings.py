"""What the service is told when it is started."""

from __future__ import annotations

from dataclasses import dataclass, field

from resight.errors import ConfigError

__all__ = ["Settings"]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Settings:
    """Limits and names; every memory that grows with what is asked has an upper end here.

    Args:
        hosts: names under which the service may be addressed, without a port.
        who: the name in the journal of whoever comes by the one-time link.
        max_file_bytes: size of one photo that is sent in.
        max_pixels: width times height of one.
        max_upload_bytes: size of all photos of one request.
        max_files: photos of one request.
        max_body_bytes: size of any request but those that send photos.
        n_workers: processes that decode and embed.
        n_waiting: requests for them that may wait; more are refused with 503. With `n_workers` below the 40 threads
            that answer, so that what needs no worker is answered meanwhile.
        n_requests: requests that may be under way at once; more are refused with 503.
        rate_per_s: requests of one user or address per second, in the long run; more are refused with 429.
        burst: requests that may come at once.
        work_timeout_s: how long a worker may take for one photo.
        grace_s: how long requests in flight may take when the service is told to stop.
        tokens: a token of the API to the name of who bears it.
        users: a name to the hash of a password, as `resight.serve.users` writes it.

    Raises:
        ConfigError: when a number is not positive, or there is no host.
    """

    hosts: tuple[str, ...] = _LOOPBACK
    who: str = "reviewer"
    max_file_bytes: int = 50_000_000
    max_pixels: int = 100_000_000
    max_upload_bytes: int = 4_000_000_000
    max_files: int = 500
    max_body_bytes: int = 1_000_000
    n_workers: int = 1
    n_waiting: int = 24
    n_requests: int = 128
    rate_per_s: float = 50.0
    burst: int = 200
    work_timeout_s: float = 60.0
    grace_s: float = 10.0
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    users: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers."""
        for key, value in vars(self).items():
            if isinstance(value, int | float) and value <= 0:
                raise ConfigError(f"expected {key} above 0, found {value}", key=key)
        if not self.hosts or not self.who.strip():
            raise ConfigError("expected a name of this machine and of the reviewer, found none", key="hosts")
