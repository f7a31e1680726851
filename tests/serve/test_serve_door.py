"""The door as an adversary finds it: odd requests, guesses, failures, and what every answer carries."""

from __future__ import annotations

import ast
import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from resight.errors import InputError
from resight.serve import door
from resight.serve.app import create_app
from resight.serve.job_files import Job
from resight.serve.measures import Measures
from resight.serve.problems import Problem
from resight.serve.security import HEADERS, Guard
from resight.serve.settings import Settings
from resight.serve.users import add_user, holds, read_users
from review_service import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def anew(served, **changes):
    """A client of the same service behind a door of its own."""
    service = served.app.state.service
    own = replace(service, measures=Measures(), guard=Guard(service.settings, "once"), **changes)
    client = TestClient(create_app(own), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
    client.headers["Authorization"] = served.headers["Authorization"]
    return client


def failing(served):
    client = anew(served)

    @client.app.get("/v1/failing")
    def failing() -> None:
        raise RuntimeError("the secret of the house")

    return client


def is_sentence(detail):
    return detail.startswith("expected ") and ", found " in detail and len(detail) > 40


class TestEveryAnswer:
    def test_it_carries_its_protection_whatever_went_wrong(self, served):
        client = failing(served)
        large = {"content": b"x" * 2_000_000}
        answers = {
            500: client.get("/v1/failing"),
            404: client.get("/nothing"),
            405: client.delete("/v1/queue"),
            413: client.post("/v1/merge", **large),
            401: client.get("/v1/queue", headers={"Authorization": "Bearer wrong"}),
            400: client.get("/v1/queue", headers={"Host": "evil.example"}),
        }
        for status, answer in answers.items():
            assert answer.status_code == status
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-type"] == "application/problem+json"
            assert is_sentence(answer.json()["detail"]), answer.text
        assert "secret" not in answers[500].text
        assert answers[405].headers["allow"] == "GET"
        assert "'/nothing'" in answers[404].json()["detail"]
        assert "DELETE" in answers[405].json()["detail"]

    def test_the_failure_goes_on_into_the_log_of_the_server(self, served):
        client = TestClient(failing(served).app, base_url="http://127.0.0.1:8000")
        with pytest.raises(RuntimeError, match="the secret of the house"):
            client.get("/v1/failing", headers={"Authorization": served.headers["Authorization"]})

    def test_what_a_judgement_lacks_is_said(self, served):
        image_id = served.get("/v1/queue", params={"n": 1}).json()["items"][0]["image_id"]
        answer = served.post("/v1/judgements", json={"image_id": image_id, "says": "same"})
        assert answer.status_code == 422
        assert answer.json()["detail"].endswith("found no name: give it as identity")

    def test_a_wrong_field_is_said_in_a_sentence(self, served):
        detail = served.get("/v1/queue", params={"n": 0}).json()["detail"]
        assert is_sentence(detail)
        assert "query.n" in detail


class TestOddRequests:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"image_id": "\\ud800", "says": "poor"}',
            b'{"image_id": "a", "says": "poor", "\\ud800": 1}',
            b'{"image_id": "a\\u0000", "says": "poor"}',
            b"[" * 400_000,
            b'{"image_id": ' + b"9" * 9_000 + b"}",
            b"\xff\xfe",
            b'{"image_id": "a", "says": "same", "identity": "x", "score": NaN}',
        ],
        ids=["half-a-character", "half-a-key", "nul", "deep", "long-number", "no-text", "nan"],
    )
    def test_odd_json_is_refused(self, served, body):
        answer = served.post("/v1/judgements", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422)
        assert answer.json()["detail"]

    @pytest.mark.parametrize("key", ["\\ud800", "a\\u0000", ""])
    @pytest.mark.parametrize("route", ["rename", "merge", "undo"])
    def test_odd_keys_of_what_was_seen_are_refused(self, served, route, key):
        told = {
            "rename": '"identity": "a", "new_name": "b"',
            "merge": '"identities": ["a"], "into": "b"',
            "undo": '"entry": 1',
        }
        body = f'{{"seen": {{"{key}": 1}}, {told[route]}}}'
        answer = served.post(f"/v1/{route}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422

    def test_rows_beyond_what_a_database_counts_are_refused(self, served):
        assert served.get(f"/v1/journal/{2**31}").status_code == 422
        assert served.get("/v1/journal", params={"after": 2**31}).status_code == 422
        assert served.get(f"/v1/journal/{2**31 - 2}").status_code == 404

    def test_streams_of_one_user_are_few_and_health_is_told_whatever_holds_the_places(self, served, monkeypatch):
        service = served.app.state.service
        waiting = Job("20240101-120000-0000aaaa", "anna", "", ("a.jpg",))
        now = [waiting]
        monkeypatch.setattr(service.jobs, "get", lambda _: now[0])
        monkeypatch.setattr(door, "_N_STREAMS", 2)
        path, told = f"/v1/jobs/{waiting.job_id}/events", []
        threads = [threading.Thread(target=lambda: told.append(served.get(path).status_code)) for _ in range(3)]
        for one in threads:
            one.start()
        until(lambda: list(told), lambda found: found == [429], 20)
        now[0] = replace(waiting, state="done")
        for one in threads:
            one.join(20)
        assert told == [429, 200, 200]
        assert served.get(path).status_code == 200
        crowded = door.Door(reading, service.guard, replace(service.settings, n_requests=1), service.measures)
        crowded._n_under_way = 5
        monkeypatch.setattr(door, "_PART_S", 0.05)
        assert [status_of(crowded, path, "GET") for path in ("/v1/filters", "/v1/health")] == [503, 408]

    @pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "idna", "punycode", "undefined", "nonsense"])
    def test_odd_alphabets_of_a_form_are_refused(self, served, charset):
        client = anew(served)
        fields = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n\\ud800\xff+\r\n' % name
            for name in (b"name", b"password", b"species")
        )
        fields += b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\nno photo\r\n--x--\r\n'
        kind = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
        for path in ("/login", "/v1/jobs", "/v1/identify"):
            assert client.post(path, content=fields, headers=kind).status_code == 415

    @pytest.mark.parametrize("length", ["²", "9" * 5_000, "-1", "1e3", ""])
    def test_odd_lengths_harm_nobody(self, served, length):
        answer = served.get("/v1/health", headers={"Content-Length": length.encode("latin-1")})
        assert answer.status_code in (200, 413)

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": b"Bearer \xff\xfe"},
            {"Authorization": "Bearer"},
            {"Authorization": "Basic eDp5"},
            {"Cookie": b'resight_session_8000=\xff; "=;;;==\\777'},
            {"Host": ""},
            {"Host": "localhost:8000:8000"},
            {"Host": "127.0.0.1.evil.example"},
            {"Host": "[::1"},
        ],
        ids=str,
    )
    def test_odd_headers_let_nobody_in(self, served, headers):
        client = anew(served)
        del client.headers["Authorization"]
        assert client.get("/v1/queue", headers=headers).status_code in (400, 401)

    def test_a_body_without_a_length_is_counted(self, served):
        for path in ("/v1/merge", "/v1/identify", "/login"):
            answer = anew(served).post(path, content=(bytes(500_000) for _ in range(10)))
            assert answer.status_code in (400, 413, 422), path

    def test_a_body_that_stops_coming_frees_its_place(self, monkeypatch):
        monkeypatch.setattr(door, "_PART_S", 0.05)

        assert status_of(door.Door(reading, Guard(Settings()), Settings(), Measures())) == 408

    def test_sockets_are_closed(self, served):
        for path in ("/v1/queue", "/static/review.js", "/"):
            with pytest.raises(WebSocketDisconnect), served.websocket_connect(path):
                pass

    def test_head_is_answered_as_get(self, served):
        for path in ("/v1/health", "/", "/static/review.js"):
            assert served.head(path).status_code == 200
        client = anew(served)
        assert client.head("/enter", params={"token": "once"}).status_code == 405
        assert client.get("/enter", params={"token": "once"}, follow_redirects=False).status_code == 303

    def test_other_sites_are_told_nothing_of_what_they_may(self, served):
        asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        answer = served.options("/v1/judgements", headers=asked)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def reading(_scope, receive, _send):
    """An application that reads what comes."""
    while (await receive()).get("more_body"):
        pass


def status_of(app, path="/login", method="POST"):
    """The status that an application answers with to a request whose rest never comes."""
    sent, first = [], [{"type": "http.request", "body": b"name=", "more_body": True}]

    async def receive():
        await asyncio.sleep(0 if first else 60)
        return first.pop()

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost")]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
    with ThreadPoolExecutor(1) as pool:  # a browser that was tested before keeps a loop in this thread
        pool.submit(asyncio.run, app(scope, receive, send)).result()
    return sent[0]["status"] if sent else None


def test_what_is_counted_does_not_grow_with_what_is_asked(served):
    client = anew(served)
    for number in range(3):
        client.get(f"/nothing/{number}")
        client.get(f"/v1/jobs/{number}-abcdefgh")
        client.get(f"/v1/journal/{number + 1_000}")
        client.get(f"/static/{number}.js")
        client.request(f"VERB{number}", "/v1/queue")
    text = client.get("/v1/metrics").text
    routes = {line.split('route="')[1].split('"')[0] for line in text.splitlines() if 'route="' in line}
    assert routes <= {"none", "/v1/jobs/{job_id}", "/v1/journal/{number}", "/v1/queue", "/static"}
    assert {"none", "/v1/queue"} < routes
    for name in ("resight_answers_total", "resight_seconds_bucket", "resight_requests_under_way"):
        assert f"\n{name}" in text


class TestComingIn:
    def test_guessing_is_slow(self, served):
        client = anew(served)
        form = {"name": "carla", "password": "a long passwort"}
        statuses = [client.post("/login", data=form, follow_redirects=False).status_code for _ in range(10)]
        right = client.post("/login", data=form | {"password": "a long password"}, follow_redirects=False)
        assert (set(statuses), right.status_code) == ({403}, 429)
        assert 1 <= int(right.headers["retry-after"]) <= 6
        assert client.get("/enter", params={"token": "guess"}).status_code == 429
        assert client.get("/login").status_code == 200
        assert client.get("/v1/health").status_code == 200

    def test_services_on_two_ports_keep_their_sessions(self, served):
        client = anew(served)
        del client.headers["Authorization"]
        one, other = client, TestClient(client.app, base_url="http://127.0.0.1:8001", cookies=client.cookies)
        form = {"name": "carla", "password": "a long password"}
        first = one.post("/login", data=form, follow_redirects=False).headers["set-cookie"]
        second = other.post("/login", data=form, follow_redirects=False).headers["set-cookie"]
        assert first.partition("=")[0] != second.partition("=")[0]
        both = {"Cookie": "; ".join(cookie.partition(";")[0] for cookie in (first, second))}
        assert one.get("/v1/queue", headers=both).status_code == 200
        site = {"Sec-Fetch-Site": "same-origin"}
        assert other.post("/logout", headers=both | site, follow_redirects=False).status_code == 303
        assert one.get("/v1/queue", headers=both).status_code == 200
        assert other.get("/v1/queue", headers=both).status_code == 401

    def test_the_cookie_goes_by_tls_where_there_is_tls(self, served):
        client = anew(served)
        form = {"name": "carla", "password": "a long password"}
        plain = client.post("/login", data=form, follow_redirects=False).headers["set-cookie"]
        hidden = client.post("https://localhost/login", data=form, follow_redirects=False).headers["set-cookie"]
        assert ("Secure" in plain, "Secure" in hidden) == (False, True)

    def test_the_link_grows_old(self):
        now = [0.0]
        guard = Guard(Settings(), "once", clock=lambda: now[0])
        now[0] = 3601.0
        with pytest.raises(Problem) as refused:
            guard.enter_by_link("once")
        assert refused.value.status_code == 403
        young = Guard(Settings(), "once", clock=lambda: now[0])
        now[0] += 3599.0
        young.enter_by_link("once")
        with pytest.raises(Problem):
            young.enter_by_link("once")

    def test_no_guess_is_compared_letter_by_letter(self, monkeypatch):
        compared = []
        monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or False)
        with pytest.raises(Problem):
            Guard(Settings(), "once").enter_by_link("guess")
        assert compared == [(b"guess", b"once")]


class TestPages:
    def test_the_journal_is_read_page_by_page(self, served):
        name = served.get("/v1/individuals", params={"n": 1}).json()["individuals"][0]["name"]
        for number in range(5):
            asked = {"identity": f"{name}{number}" if number else name, "new_name": f"{name}{number + 1}"}
            assert served.post("/v1/rename", json=asked).status_code == 201
        whole = served.get("/v1/journal", params={"n": 200}).json()
        last = served.get("/v1/journal", params={"n": 2}).json()
        earlier = served.get("/v1/journal", params={"n": 2, "before": last["entries"][0]["number"]}).json()
        assert [*earlier["entries"], *last["entries"]] == whole["entries"][-4:]
        assert last["n_all"] == whole["n_all"] == len(whole["entries"])
        assert earlier["n_all"] == whole["n_all"] - 2
        assert "before" not in last["entries"][0]
        row = served.get(f"/v1/journal/{last['entries'][0]['number']}").json()
        assert len(row["after"]) == last["entries"][0]["n_photos"] > 1
        assert served.get("/v1/journal/1000000").status_code == 404
        for _ in range(5):
            assert served.post("/v1/undo", json={}).status_code == 201

    def test_only_the_rows_of_a_page_are_read(self, served, monkeypatch):
        store, asked = served.app.state.service.desk.store, []
        monkeypatch.setattr(store, "log", lambda **limits: asked.append(limits) or [])
        served.get("/v1/journal", params={"n": 7, "before": 12})
        assert asked == [{"after": 0, "before": 12, "last": 7}]

    def test_jobs_are_listed_in_brief_and_some_at_a_time(self, served, monkeypatch):
        from resight.serve.jobs import Job

        made = [Job(f"job-{n:04d}", "anna", "", ("a.jpg", "b.jpg"), failures=(("a.jpg", "no"),)) for n in range(120)]
        monkeypatch.setattr(served.app.state.service.jobs, "all", lambda: made)
        told = served.get("/v1/jobs").json()
        assert [one["job_id"] for one in told["jobs"]] == [one.job_id for one in made[-50:]]
        assert (told["n_all"], told["jobs"][0]["n_photos"], told["jobs"][0]["n_failures"]) == (120, 2, 1)
        assert not {"photos", "image_ids", "failures"} & set(told["jobs"][0])
        earlier = served.get("/v1/jobs", params={"n": 100, "offset": 50}).json()
        assert [one["job_id"] for one in earlier["jobs"]] == [one.job_id for one in made[:70]]

    def test_the_photos_of_an_individual_come_some_at_a_time(self, served):
        name = served.get("/v1/individuals", params={"n": 1}).json()["individuals"][0]["name"]
        whole = served.get("/v1/individual", params={"name": name}).json()
        part = served.get("/v1/individual", params={"name": name, "n": 2, "offset": 1}).json()
        assert part["photos"] == whole["photos"][1:3]
        assert part["n_photos"] == whole["n_photos"] == len(whole["photos"])

    def test_every_number_of_rows_has_an_end(self, served):
        described = served.get("/v1/openapi.json").json()["paths"]
        lists = ("queue", "candidates", "individuals", "individual", "journal", "contradictions", "jobs")
        for name in lists:
            parameters = {one["name"]: one for one in described[f"/v1/{name}"]["get"]["parameters"]}
            limit = parameters["top" if name == "candidates" else "n"]
            assert limit["schema"]["default"] <= limit["schema"]["maximum"], name
            assert limit["description"], name
            assert served.get(f"/v1/{name}", params={"n": 10**9, "top": 10**9, "name": "x"}).status_code == 422


class TestUsers:
    def test_a_file_without_users_yet_is_a_file(self, tmp_path):
        (tmp_path / "users").write_text("")
        add_user(tmp_path / "users", "anna", "a long password")
        assert holds(read_users(tmp_path / "users")["anna"], "a long password")

    @pytest.mark.parametrize(
        "name",
        [
            "",
            " ",
            "a b",
            "#anna",
            "an#na",
            "a:b",
            "a\nb",
            "a\x00",
            "\x1b[2J",
            "a\x85b",
            "a\u2028b",
            "\ud800",
            "x" * 301,
        ],
    )
    def test_names_that_the_file_could_not_hold_are_refused(self, tmp_path, name):
        with pytest.raises(InputError, match=r"expected a name of 1 to 300 characters without .*, found"):
            add_user(tmp_path / "users", name, "a long password")
        assert list(tmp_path.iterdir()) == []

    def test_nobody_else_reads_it_and_it_is_replaced_as_a_whole(self, tmp_path, monkeypatch):
        place = tmp_path / "users"
        place.write_text("")
        place.chmod(0o644)
        old = os.umask(0)
        try:
            add_user(place, "anna", "a long password")
        finally:
            os.umask(old)
        assert place.stat().st_mode & 0o777 == 0o600
        kept = place.read_text()

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="No space left"):
            add_user(place, "ben", "a long password")
        assert place.read_text() == kept
        assert [one.name for one in tmp_path.iterdir()] == ["users"]

    def test_a_link_to_the_file_stays_one(self, tmp_path):
        (tmp_path / "real").write_text("")
        (tmp_path / "users").symlink_to(tmp_path / "real")
        add_user(tmp_path / "users", "anna", "a long password")
        assert (tmp_path / "users").is_symlink()
        assert "anna" in read_users(tmp_path / "real")

    @pytest.mark.parametrize("kept", ["scrypt$$", "scrypt$a$b", "scrypt$!!$!!", "scrypt$AAAA$AAAA", "plain"])
    def test_a_hash_that_is_none_is_told_at_the_start_and_not_at_the_door(self, tmp_path, kept):
        (tmp_path / "users").write_text(f"anna:{kept}\n")
        with pytest.raises(InputError, match=r"line 1 of .*, found otherwise"):
            read_users(tmp_path / "users")


SOURCES = sorted(Path(door.__file__).parent.glob("*.py"))


def test_every_setting_is_used():
    code = "".join(path.read_text() for path in SOURCES if path.name != "settings.py")
    assert [one.name for one in fields(Settings) if f"settings.{one.name}" not in code] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_raises_says_so(path):
    """Routes are left out: their words are the description of the API, which lists the answers."""
    module = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [node for node in module if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    silent = [
        node.name
        for node in [*module, *(one for found in classes for one in found.body)]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
        if not any("router." in ast.unparse(one) for one in node.decorator_list)
        if any(isinstance(one, ast.Raise) for one in ast.walk(node)) and "Raises:" not in str(ast.get_docstring(node))
    ]
    assert silent == []
