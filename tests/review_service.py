"""What several tests of the service need: somebody who is let in, photos to send, and patience."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from resight.serve.app import create_app
from resight.serve.parts import Service

TOKEN = "a-token-that-nobody-guesses"  # noqa: S105  of the tests
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def client_of(service: Service, **options: Any) -> TestClient:
    """A client with the token; entered as a context it begins and ends the service."""
    return TestClient(create_app(service), base_url="http://127.0.0.1:8000", headers=HEADERS, **options)


def jpeg(seed: int = 0) -> bytes:
    """A small photo of nothing."""
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64, 3), np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG")
    return written.getvalue()


def until(ask: Callable[[], Any], is_there: Callable[[Any], object], seconds: float = 120) -> Any:
    """What is asked for, as soon as it is there."""
    deadline = time.monotonic() + seconds
    while not is_there(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
