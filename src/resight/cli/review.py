"""The review page and its REST API."""

from __future__ import annotations

import importlib.util
import secrets
import socket
from pathlib import Path
from typing import Annotated

import typer

from resight.cli.options import Folder, Model, Reranked, Who
from resight.errors import InputError, MissingExtraError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Host = Annotated[str, typer.Option(help="Address to answer on; another than loopback needs tokens or users.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
TokenFile = Annotated[Path | None, typer.Option(help="File of lines name:token, for programs.")]
Users = Annotated[Path | None, typer.Option(help="File of users and the hashes of their passwords.")]
AddUser = Annotated[str | None, typer.Option(help="Ask for a password, write this user into --users, end.")]
Name = Annotated[
    list[str] | None, typer.Option("--name", help="Further name of this machine in addresses; may be repeated.")
]
Url = Annotated[
    str | None, typer.Option(help="URL of the server that keeps the tables, if one does. Default: RESIGHT_DATABASE.")
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that decode and embed photos.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Requests per second of one user or address.")]


def review(
    catalogue: Folder,
    host: Host = "127.0.0.1",
    port: Port = 0,
    token_file: TokenFile = None,
    users: Users = None,
    add_user: AddUser = None,
    name: Name = None,
    who: Who = "reviewer",
    database: Url = None,
    model: Model = None,
    rerank: Reranked = False,
    n_workers: Workers = 1,
    rate_per_s: Rate = 50.0,
) -> None:
    """Open the page on which a person decides who is on the photos, until Ctrl-C.

    It answers on this machine alone, to whoever opens the link that it prints: the link works once.

    Example:  resight review --catalogue mine

    Example:  resight review --catalogue mine --host 0.0.0.0 --port 8000 --name fluke.local --users users.txt
    """
    _require_extra()
    if add_user is not None:
        _write_user(users, add_user)
        return
    _refuse_open_door(host, token_file, users)
    from resight.serve.app import create_service
    from resight.serve.run import listening, serve
    from resight.serve.settings import Settings
    from resight.serve.users import read_tokens, read_users

    shown = f"[{host}]" if ":" in host else host  # as it stands in an address
    settings = Settings(
        hosts=(*Settings().hosts, *(one.lower() for one in (shown, socket.gethostname(), *(name or ())))),
        who=who,
        n_workers=n_workers,
        rate_per_s=rate_per_s,
        burst=int(4 * rate_per_s) + 1,
        tokens={} if token_file is None else read_tokens(token_file),
        users={} if users is None else read_users(users),
    )
    one_time = secrets.token_urlsafe(24) if host in _LOOPBACK and users is None else None
    service = create_service(catalogue, settings, one_time=one_time, model=model, url=database, rerank=rerank)
    with listening(host, port) as where:
        serve(service, where, lambda: _tell(shown, where, f"enter?token={one_time}" if one_time else _first(users)))
    typer.echo("stopped: all that was decided is kept", err=True)


def _first(users: Path | None) -> str:
    """The page to begin with: that of passwords, or where programs alone are let in what they may ask."""
    return "v1/openapi.json" if users is None else "login"


def _tell(host: str, where: socket.socket, path: str) -> None:
    """Print an address that can be opened; that of all addresses is none."""
    name = socket.gethostname() if host in ("0.0.0.0", "[::]") else host  # noqa: S104  compared, not bound
    typer.echo(f"http://{name}:{where.getsockname()[1]}/{path}")


def _refuse_open_door(host: str, token_file: Path | None, users: Path | None) -> None:
    if host not in _LOOPBACK and token_file is None and users is None:
        raise InputError(f"expected --users or --token-file with --host {host}, found neither: others could come in")


def _require_extra() -> None:
    for package in ("fastapi", "prometheus_client", "python_multipart", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "serve", "the review page")


def _write_user(users: Path | None, name: str) -> None:
    from resight.serve.users import add_user, check_name

    if users is None:
        raise InputError("expected --users FILE beside --add-user, found none: name the file to write the user into")
    check_name(name)  # before anything is asked
    was_known = add_user(users, name, typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    typer.echo(f"{name} {'has another password' if was_known else 'may sign in'}: written into {users}.")
