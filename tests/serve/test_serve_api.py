"""The service: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.testclient import TestClient

from resight.pipeline import Identifier
from resight.serve.app import create_app
from resight.serve.job_files import safe_name
from resight.serve.limits import Rate
from resight.serve.users import add_user, hashed, holds, read_tokens, read_users
from review_service import jpeg

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def service_of(client):
    return client.app.state.service


@pytest.fixture
def stranger(served):
    """Somebody without a token, on the same service; not entered as a context, so that nothing ends with it."""
    return TestClient(served.app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def bomb(side=30_000):
    """A PNG of few bytes that claims 900 million pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


class TestReviewing:
    def test_from_the_queue_to_a_judgement_and_back(self, served):
        image_id = served.get("/v1/queue", params={"n": 1}).json()["items"][0]["image_id"]
        found = served.get("/v1/candidates", params={"image_id": image_id, "filter": "species:drawn_antelope"}).json()
        candidate, version = found["candidates"][0], found["query"]["version"]
        said = {"image_id": image_id, "says": "same", "identity": candidate["identity"], "seen": version, "rank": 1}
        said |= {"candidate_id": candidate["image_id"], "score": candidate["score"], "filter": found["filter"]}
        entry = served.post("/v1/judgements", json=said)
        assert entry.status_code == 201
        assert (entry.json()["who"], entry.json()["detail"]["filter"]) == ("anna", {"species": "drawn_antelope"})
        assert served.get("/v1/photo", params={"image_id": image_id}).json()["identity"] == candidate["identity"]
        other = served.post(
            "/v1/judgements",
            json={**said, "says": "different"},
            headers={"Authorization": f"Bearer {next(iter(reversed(service_of(served).settings.tokens)))}"},
        )
        assert other.status_code == 409
        assert other.headers["content-type"] == "application/problem+json"
        assert other.json()["theirs"]["who"] == "anna"
        assert other.json()["yours"]["says"] == "different"
        assert served.post("/v1/undo", json={"entry": entry.json()["number"]}).status_code == 201
        assert served.get("/v1/photo", params={"image_id": image_id}).json()["identity"] is None
        assert [e["verb"] for e in served.get("/v1/journal").json()["entries"]] == ["judge", "undo"]

    def test_individuals_are_merged_split_renamed_and_given_back(self, served):
        one, other = (i["name"] for i in served.get("/v1/individuals", params={"n": 2}).json()["individuals"])
        photos = served.get("/v1/individual", params={"name": one}).json()["photos"]
        seen = {photo["image_id"]: photo["version"] for photo in photos}
        assert served.post("/v1/merge", json={"identities": [one], "into": other, "seen": seen}).status_code == 201
        assert served.get("/v1/individual", params={"name": one}).status_code == 404
        stale = served.post("/v1/split", json={"image_ids": list(seen), "new_identity": one, "seen": seen})
        assert stale.status_code == 409
        assert served.post("/v1/split", json={"image_ids": list(seen), "new_identity": one}).status_code == 201
        assert served.post("/v1/rename", json={"identity": one, "new_name": "Åsa / x"}).status_code == 201
        assert served.get("/v1/individual", params={"name": "Åsa / x"}).json()["n_photos"] == len(photos)
        first = photos[0]["image_id"]
        assert served.post("/v1/assign", json={"image_ids": [first], "identity": None}).status_code == 201
        for _ in range(4):
            assert served.post("/v1/undo", json={}).status_code == 201
        assert len(served.get("/v1/individual", params={"name": one}).json()["photos"]) == len(photos)

    def test_the_rest_is_read(self, served):
        first, second = (i["image_id"] for i in served.get("/v1/queue", params={"n": 2}).json()["items"])
        assert served.get("/v1/matches", params={"image_id": first, "candidate_id": second}).json()["says"]
        assert served.get("/v1/dashboard").json()["n_individuals"] == 8
        assert served.get("/v1/filters").json()["side"] == ["left", "right"]
        assert served.get("/v1/contradictions").json() == {"contradictions": [], "n_all": 0, "offset": 0}
        assert b"resight_answers_total" in served.get("/v1/metrics").content
        assert served.post("/v1/refresh").json() == {"n_new_vectors": 0}
        assert served.post("/v1/skip", json={"image_id": first}).json()["skipped"]
        assert served.get("/v1/queue").json()["items"][0]["image_id"] != first
        page = served.get("/")
        assert '<script type="module"' in page.text
        assert served.get("/static/review.js").status_code == 200

    def test_a_photo_is_small_and_not_sent_twice(self, served):
        image_id = served.get("/v1/queue", params={"n": 1}).json()["items"][0]["image_id"]
        answer = served.get("/v1/photo/image", params={"image_id": image_id, "side_px": 50})
        assert max(Image.open(io.BytesIO(answer.content)).size) == 50
        again = {"If-None-Match": answer.headers["etag"]}
        assert (
            served.get("/v1/photo/image", params={"image_id": image_id, "side_px": 50}, headers=again).status_code
            == 304
        )


class TestPhotosSentIn:
    def test_identify_says_what_the_library_says(self, served, calibrated_for_review):
        photos = service_of(served).desk.store.catalogue()
        path = next(photos.photo(row) for row in range(len(photos)) if photos.frame["identity"][row] is None)
        answer = served.post("/v1/identify", files={"photo": ("q.jpg", path.read_bytes())}, data={"top": "3"})
        decision = next(iter(Identifier.open(calibrated_for_review).identify(path, top=3)))
        told = answer.json()
        assert (told["verdict"], [o["identity"] for o in told["candidates"]]) == (
            decision.verdict,
            [c.identity for c in decision.candidates],
        )
        assert told["candidates"][0]["probability"] == pytest.approx(decision.candidates[0].probability)

    @pytest.mark.parametrize(
        ("content", "status", "word"),
        [
            (b"no photo", 422, "not a photo"),
            (bomb(), 422, "pixels"),
            (bytes(2_500_000), 413, "at most"),
            (b"", 422, "empty"),
        ],
        ids=["text", "bomb", "large", "empty"],
    )
    def test_what_is_no_photo_is_refused(self, served, content, status, word):
        answer = served.post("/v1/identify", files={"photo": ("q.png", content)})
        assert (answer.status_code, word in answer.json()["detail"]) == (status, True), answer.text

    def test_a_body_that_grows_beyond_the_limit_is_cut_off(self, served):
        def endless():
            for _ in range(100):
                yield bytes(100_000)

        answer = served.post("/v1/merge", content=endless())
        assert answer.status_code == 413

    def test_a_job_is_searchable_when_done_and_lists_what_failed(self, served):
        files = [("photos", (f"../{n}.jpg", jpeg(seed=n))) for n in range(3)] + [("photos", ("bad.jpg", b"no photo"))]
        job = served.post("/v1/jobs", files=files, data={"side": "left", "species": "drawn_antelope"}).json()
        events = served.get(f"/v1/jobs/{job['job_id']}/events").text
        assert '"state": "done"' in events
        done = served.get(f"/v1/jobs/{job['job_id']}").json()
        assert [name for name, _ in done["failures"]] == [job["image_ids"][3]]
        assert served.get("/v1/photo", params={"image_id": job["image_ids"][0]}).json()["columns"]["side"] == "left"
        assert served.get("/v1/candidates", params={"image_id": job["image_ids"][0]}).json()["candidates"]
        assert job["job_id"] in [one["job_id"] for one in served.get("/v1/jobs").json()["jobs"]]


class TestWhoMayAsk:
    def test_nobody_comes_in_without_a_token(self, stranger):
        for path in ("/", "/v1/queue", "/v1/photo/image?image_id=x", "/v1/openapi.json", "/v1/metrics"):
            assert stranger.get(path).status_code == 401
        assert stranger.get("/v1/health").status_code == 200
        forged = {"Authorization": "Bearer a-token-that-nobody-guesseS"}
        assert stranger.get("/v1/queue", headers=forged).status_code == 401
        assert stranger.get("/v1/queue", headers={"Cookie": "resight_session_8000=forged"}).status_code == 401

    def test_the_link_opens_once_and_writes_need_the_page(self, stranger):
        assert stranger.get("/enter", params={"token": "onc"}, follow_redirects=False).status_code == 403
        entered = stranger.get("/enter", params={"token": "once"}, follow_redirects=False)
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert stranger.get("/enter", params={"token": "once"}, follow_redirects=False).status_code == 403
        assert stranger.get("/v1/queue").status_code == 200
        image_id = stranger.get("/v1/queue").json()["items"][0]["image_id"]
        skip = {"json": {"image_id": image_id}}
        assert stranger.post("/v1/skip", **skip).status_code == 403
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert stranger.post("/v1/skip", **skip, headers=headers).status_code == 403
        assert stranger.post("/v1/skip", **skip, headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
        assert (
            stranger.post("/logout", headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=False).status_code
            == 303
        )
        assert stranger.get("/v1/queue").status_code == 401

    def test_users_sign_in_with_a_password(self, stranger):
        form = {"name": "carla", "password": "a long passwort"}
        assert stranger.post("/login", data=form, follow_redirects=False).status_code == 403
        form |= {"password": "a long password"}
        assert stranger.post("/login", data=form, headers={"Origin": "http://evil"}).status_code == 403
        assert stranger.post("/login", data=form, follow_redirects=False).status_code == 303
        assert "carla" in stranger.get("/").text

    def test_another_host_is_refused(self, served):
        assert served.get("/v1/queue", headers={"Host": "evil.example:8000"}).status_code == 400
        assert served.get("/v1/queue", headers={"Host": "localhost:8000"}).status_code == 200

    @pytest.mark.parametrize(
        "name", ["../../../../etc/passwd", "/etc/passwd", "gallery/../../secret.jpg", "..%2f..%2fetc%2fpasswd", "\x00"]
    )
    def test_no_path_leads_out(self, served, name):
        refused = 422 if name == "\x00" else 404
        assert served.get("/v1/photo", params={"image_id": name}).status_code == refused
        assert served.get("/v1/photo/image", params={"image_id": name}).status_code == refused
        assert served.get(f"/static/{quote(name, safe='')}").status_code == 404
        assert served.get(f"/v1/jobs/{quote(name, safe='')}").status_code == 404

    def test_a_link_that_leads_out_is_not_followed(self, served, tmp_path):
        desk = service_of(served).desk
        photos = desk.store.catalogue()
        place = photos.photo(0)
        (tmp_path / "secret.jpg").write_bytes(jpeg())
        kept = place.read_bytes()
        place.unlink()
        try:
            place.symlink_to(tmp_path / "secret.jpg")
            answer = served.get("/v1/photo/image", params={"image_id": photos.frame["image_id"][0]})
        finally:
            place.unlink()
            place.write_bytes(kept)
        assert answer.status_code == 404

    def test_every_answer_carries_its_protection(self, served):
        for answer in (served.get("/"), served.get("/v1/photo"), served.get("/nothing")):
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers


def test_too_many_requests_are_told_when_to_return(served):
    few = replace(service_of(served).settings, rate_per_s=0.2, burst=2)
    client = TestClient(create_app(replace(service_of(served), settings=few)), base_url="http://127.0.0.1")
    answers = [client.get("/v1/health") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 5


def test_a_bucket_fills_with_time():
    now = [0.0]
    rate = Rate(2, 1, clock=lambda: now[0])
    assert [rate.wait_s("a"), rate.wait_s("a"), rate.wait_s("b")] == [0, 1, 0]
    now[0] = 0.6
    assert rate.wait_s("a") == 0


def test_passwords_and_tokens_in_files(tmp_path):
    add_user(tmp_path / "users", "anna", "a long password")
    add_user(tmp_path / "users", "ben", "another password")
    users = read_users(tmp_path / "users")
    assert holds(users["anna"], "a long password")
    assert not holds(users["anna"], "another password")
    assert not holds(None, "a long password")
    assert (tmp_path / "users").stat().st_mode & 0o077 == 0
    assert hashed("a long password") != users["anna"]
    (tmp_path / "tokens").write_text("# programs\nanna: " + "x" * 20 + "\n")
    assert read_tokens(tmp_path / "tokens") == {"x" * 20: "anna"}


def test_safe_names():
    assert safe_name(1, "..\\..\\C:\\boot.ini") == "0001-boot.ini"
    assert safe_name(2, "") == "0002.jpg"
    assert safe_name(3, "Ä" * 500 + ".PNG") == "0003.png"
