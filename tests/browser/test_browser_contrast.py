"""Text and edges of the pages stand out, by day and by night (WCAG 2.2, AA)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest


def luminance(colour: str) -> float:
    """Of WCAG 2.2, from #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("on", "of", "least"),
    [(on, of, 4.5) for of in ("ink", "muted", "link") for on in ("paper", "ground", "chosen")]
    + [("dark", "light", 4.5), ("top", "light", 4.5), ("wrong-tint", "wrong", 4.5)]
    + [("paper", "edge", 3.0), ("ground", "edge", 3.0), ("ground", "link", 3.0)],
)
def test_text_and_edges_stand_out(scheme, on, of, least):
    css = files("resight.serve").joinpath("static", "review.css").read_text(encoding="utf-8")
    light, dark = css.split("@media (prefers-color-scheme: dark)")
    told = light if scheme == "light" else dark.split("* {")[0]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", told))
    high, low = sorted((luminance(colours[on]), luminance(colours[of])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= least


def test_nothing_moves_by_itself():
    """Whoever asks for less motion gets what everybody gets: none."""
    css = files("resight.serve").joinpath("static", "review.css").read_text(encoding="utf-8")
    assert not re.search(r"transition|animation|@keyframes|scroll-behavior", css)
