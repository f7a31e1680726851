"""The service as a process of its own: how it ends, and what it says to who does not speak properly."""

from __future__ import annotations

import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from review_service import TOKEN, until

GRACE_S, HEADERS_S = 3, 1
START = """
import sys
from resight.serve import run
from resight.serve.app import create_service
from resight.serve.run import listening, serve
from resight.serve.settings import Settings
if __name__ == "__main__":  # the workers read this file too
    run._HEADERS_S = float(sys.argv[4])
    settings = Settings(tokens={sys.argv[2]: "anna"}, grace_s=float(sys.argv[3]))
    with listening("127.0.0.1", 0) as where:
        service = create_service(sys.argv[1], settings)
        serve(service, where, lambda: print("port", where.getsockname()[1], flush=True))
"""


class Running:
    """The service as a process.

    Args:
        command: that starts it.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        with log.open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        told = self.process.stdout.readline()
        self.port = int(re.findall(r"[0-9]{4,5}", told)[0])
        for _ in range(200):  # the address is told before the first request is taken
            try:
                if self.is_well():
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the service does not answer")

    def is_well(self) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", "/v1/health")
            return connection.getresponse().status == 200

    def line(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def end(self, sign: int = signal.SIGTERM) -> int:
        self.process.send_signal(sign)
        return self.process.wait(30)


@pytest.fixture
def running(folder: Path, tmp_path: Path) -> Iterator[Running]:
    """With a grace of three seconds."""
    (tmp_path / "start.py").write_text(START)
    command = [sys.executable, str(tmp_path / "start.py"), str(folder), TOKEN, str(GRACE_S), str(HEADERS_S)]
    found = Running(command, tmp_path / "log")
    yield found
    found.process.kill()
    found.process.wait()
    found.process.stdout.close()


def form_for(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()


def answer_on(line: socket.socket) -> bytes:
    found = b""
    while part := line.recv(65536):
        found += part
    return found


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_requests_in_hand_are_finished_within_the_grace_and_nothing_is_left(running):
    workers = running.workers()
    assert workers
    body = b'{"entry": 77}'
    with running.line() as line, running.line() as slow:
        line.sendall(form_for("/v1/undo", body) + body[:5])
        slow.sendall(form_for("/v1/undo", b"x" * 100) + b"x")  # and never the rest
        time.sleep(0.3)
        began = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert running.process.poll() is None
        line.sendall(body[5:])
        answer = answer_on(line)
        assert running.process.wait(30) == 0
        assert GRACE_S - 1 < time.monotonic() - began < GRACE_S + 7
    assert answer.startswith(b"HTTP/1.1 404 "), answer
    assert b"no journal entry is called '77'" in answer
    until(
        lambda: [pid for pid in workers if is_there(pid)], lambda left: not left, seconds=10
    )  # Python's own tracker ends last


def test_odd_speech_is_refused_and_harms_nobody(running):
    request = f"GET /v1/queue HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
    odd = {
        "no speech": b"\x16\x03\x01\x02\x00 hello\r\n\r\n",
        "two hosts": request + b"Host: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        "no host": request + b"\r\n",
        "large header": request + b"Host: 127.0.0.1\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
        "many headers": request + b"Host: 127.0.0.1\r\n" + b"X: x\r\n" * 50_000 + b"\r\n",
        "two lengths": request + b"Host: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "long length": request + b"Host: 127.0.0.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        "socket": request
        + b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    }
    for name, sent in odd.items():
        with running.line() as line:
            try:
                line.sendall(sent)
                line.shutdown(socket.SHUT_WR)
                told = answer_on(line)
            except ConnectionError:  # it hung up while we were speaking
                told = b""
        assert told[9:12] in (b"400", b"413", b"431", b"", b"200" if name == "socket" else b""), (name, told[:200])
    for path in ("/v1/identify", "/v1/undo", "/login"):
        with running.line() as line:  # and goes away in the middle
            line.sendall(form_for(path, b"x" * 100).replace(b"application/json", b"multipart/form-data; boundary=x"))
    time.sleep(0.3)
    assert running.is_well()
    assert running.end() == 0
    assert "Traceback" not in running.log.read_text()


def test_ctrl_c_ends_the_command_in_order(folder, tmp_path):
    command = [sys.executable, "-m", "resight", "review", "--catalogue", str(folder), "--who", "anna"]
    found = Running(command, tmp_path / "log")
    try:
        assert found.end(signal.SIGINT) == 0
        assert found.log.read_text() == "stopped: all that was decided is kept\n"
    finally:
        found.process.kill()
        found.process.stdout.close()


def test_who_does_not_get_beyond_the_headers_is_sent_away(running):
    with running.line() as silent, running.line() as half, running.line() as slow:
        told = b""
        half.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        slow.sendall(b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while not told.endswith(b"}"):
            told += slow.recv(65536)
        slow.sendall(b"GET /v1/health HTTP/1.1\r\n")
        for line in (silent, half, slow):
            line.settimeout(HEADERS_S + 10)
            assert line.recv(65536) == b""
    assert running.is_well()


def test_more_connections_than_files_are_usual_shut_nobody_out(running):
    soft, hard = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
    assert soft == min(hard, 65_536)
