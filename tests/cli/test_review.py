"""`resight review`: what it refuses before it begins."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from resight.serve.users import add_user


def test_others_are_let_in_by_name_only(resight, catalogue, tmp_path):
    told = resight("review", "--catalogue", catalogue, "--host", "192.0.2.7")
    assert (told.code, "--users or --token-file" in told.err) == (2, True)
    (tmp_path / "tokens").write_text("anna:short\n")
    told = resight("review", "--catalogue", catalogue, "--token-file", tmp_path / "tokens")
    assert (told.code, "at least 20 characters" in told.err) == (2, True)
    told = resight("review", "--catalogue", catalogue, "--add-user", "anna")
    assert (told.code, "--users FILE" in told.err) == (2, True)
    assert resight("review", "--catalogue", tmp_path / "nothing").code == 2


def test_who_was_written_is_said(resight, tmp_path, monkeypatch):
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "a long password")
    users = tmp_path / "users"
    told = resight("review", "--catalogue", tmp_path, "--users", users, "--add-user", "anna")
    assert (told.code, told.out) == (0, f"anna may sign in: written into {users}.\n")
    assert users.read_text().startswith("anna:scrypt$")
    told = resight("review", "--catalogue", tmp_path, "--users", users, "--add-user", "anna")
    assert (told.code, told.out) == (0, f"anna has another password: written into {users}.\n")
    users.write_text("")
    told = resight("review", "--catalogue", tmp_path, "--users", users, "--add-user", "ben")
    assert (told.code, told.out) == (0, f"ben may sign in: written into {users}.\n")


def test_a_name_is_refused_before_a_password_is_asked_for(resight, tmp_path, monkeypatch):
    monkeypatch.setattr("typer.prompt", lambda *_, **__: pytest.fail("was asked"))
    told = resight("review", "--catalogue", tmp_path, "--users", tmp_path / "users", "--add-user", "#anna")
    assert (told.code, "found '#anna'" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("asked", "page"), [((), "enter"), (("--users",), "login"), (("--token-file",), "v1/openapi.json")]
)
def test_the_address_that_is_told_leads_somewhere(resight, tmp_path, monkeypatch, asked, page):
    monkeypatch.setattr("resight.serve.app.create_service", lambda *_, **__: None)
    monkeypatch.setattr("resight.serve.run.serve", lambda _, __, ready: ready())
    add_user(tmp_path / "--users", "anna", "a long password")
    (tmp_path / "--token-file").write_text(f"anna:{'x' * 20}\n")
    more = [one for name in asked for one in (name, tmp_path / name)] + (["--host", "0.0.0.0"] if asked else [])  # noqa: S104
    told = resight("review", "--catalogue", tmp_path, *more)
    assert told.code == 0
    assert urlsplit(told.out.strip()).path == f"/{page}"
