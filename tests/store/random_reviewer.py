"""A reviewer who decides at random, in a process of its own; two at once show that nothing is lost.

    python random_reviewer.py NAME SEED N_DECISIONS FOLDER [URL]

It says when it is ready, waits for a line, decides, and prints what it did as one JSON document.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from resight.core import Catalogue, Judgement
from resight.errors import ConflictError, InputError, UnknownNameError
from resight.store import CatalogueStore, Label
from resight.store.journal import replay

N_PHOTOS = 30
FIRST = {f"p{n:02}": None if n % 3 == 0 else f"i{n % 7}" for n in range(N_PHOTOS)}
WORDS = ("same", "different", "unsure", "new", "poor")
VERBS = {"judge": 0.55, "merge": 0.1, "split": 0.15, "undo": 0.2}


class RandomReviewer:
    """Looks at a photo, decides at random, and holds the decision to what was seen."""

    def __init__(self, store: CatalogueStore, who: str, seed: int) -> None:
        self.store, self.who, self.rng = store, who, np.random.default_rng(seed)
        self.done: list[int] = []
        self.told: Counter[str] = Counter()

    def decide(self) -> None:
        """Make one decision; when another was quicker, look again; when it makes no sense, make another one."""
        verb = str(self.rng.choice(list(VERBS), p=list(VERBS.values())))
        while True:
            try:
                entry = getattr(self, verb)()
            except ConflictError:
                self.told["conflicts"] += 1
            except (InputError, UnknownNameError):
                self.told["nonsense"] += 1
                verb = str(self.rng.choice(list(VERBS), p=list(VERBS.values())))
            else:
                self.told[verb] += 1
                self.done.append(entry.number)
                return

    def look(self) -> tuple[dict[str, int], dict[str, list[str]]]:
        """The versions first, then the photos of each name: what changes in between is a conflict."""
        seen = self.store.versions(FIRST)
        shown: dict[str, list[str]] = {}
        for image_id, label in self.store.labels().items():
            if label.identity is not None:
                shown.setdefault(label.identity, []).append(image_id)
        return seen, shown

    def judge(self):
        seen, shown = self.look()
        photo, says, name = self.one_of(FIRST), self.one_of(WORDS), self.one_of(shown)
        if says in ("new", "poor"):
            return self.store.judge(Judgement(photo, says, seen=seen[photo]), who=self.who)
        other = self.one_of(shown[name])
        more = {"candidate_id": other if other != photo else None, "score": float(self.rng.random()), "rank": 1}
        return self.store.judge(Judgement(photo, says, name, seen=seen[photo], **more), who=self.who)

    def merge(self):
        seen, shown = self.look()
        one, other = self.one_of(shown), self.one_of(shown)
        held = {image_id: seen[image_id] for image_id in shown[one]}
        return self.store.merge([one], other, who=self.who, seen=held)

    def split(self):
        seen, shown = self.look()
        some = shown[self.one_of(shown)]
        some = some[: len(some) // 2]
        name = f"{self.who}-{len(self.done)}"
        return self.store.split(some, name, who=self.who, seen={image_id: seen[image_id] for image_id in some})

    def undo(self):
        seen = self.store.versions(FIRST)
        entry = self.one_of([entry for entry in self.store.log()[-20:] if entry.undone_by is None] or [None])
        if entry is None:
            raise InputError("expected something to undo")
        return self.store.undo(entry.number, who=self.who, seen={image_id: seen[image_id] for image_id in entry.after})

    def one_of(self, some):
        listed = list(some)
        if not listed:
            raise InputError("expected something to choose from")
        return listed[int(self.rng.integers(len(listed)))]


def start_catalogue(folder: Path, url: str | None) -> CatalogueStore:
    """A catalogue with the photos to decide on."""
    store = CatalogueStore.create(folder, url=url)
    frame = pl.DataFrame({"image_id": list(FIRST), "path": list(FIRST), "identity": list(FIRST.values())})
    store.register(Catalogue(frame, Path("/nowhere")))
    return store


def two_at_once(folder: Path, url: str | None, n_decisions: int) -> list[dict]:
    """Let two reviewers decide on one catalogue at the same time; what each did."""
    reviewers = []
    for seed, who in enumerate(("anna", "ben")):
        command = [sys.executable, __file__, who, str(seed), str(n_decisions), str(folder), *([url] if url else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        reviewers.append(subprocess.Popen(command, text=True, env=os.environ, **pipes))
    for one in reviewers:
        one.stdout.readline()  # ready
    for one in reviewers:
        one.stdin.write("go\n")
        one.stdin.flush()
    return [json.loads(one.communicate()[0]) for one in reviewers]


def require_nothing_lost(store: CatalogueStore, did: list[dict]) -> None:
    """Check the journal against the tables and against what each reviewer was told that was done.

    Raises:
        ValueError: when a decision is missing, or the journal amounts to another state than the tables.
    """
    log, now, last = store.log(), {image_id: Label(name) for image_id, name in FIRST.items()}, dict.fromkeys(FIRST, 0)
    if sorted(entry.number for entry in log) != sorted(number for one in did for number in one["done"]):
        raise ValueError("expected each decision once in the journal")
    for entry in log:
        if any(now[image_id] != label for image_id, label in entry.before.items()):
            raise ValueError(f"expected the labels before entry {entry.number} as the entries before left them")
        if entry.verb == "judge" and entry.detail["seen"] != last[entry.detail["image_id"]]:
            raise ValueError(f"expected entry {entry.number} to have seen the last word on its photo")
        now.update(entry.after)
        last |= dict.fromkeys(entry.after, entry.number)
    if not replay(FIRST, log) == now == store.labels() or store.versions(FIRST) != last:
        raise ValueError("expected the journal to replay to exactly the state of the tables")


def main(who: str, seed: str, n_decisions: str, folder: str, url: str | None = None) -> None:
    reviewer = RandomReviewer(CatalogueStore.open(folder, url=url), who, int(seed))
    print("ready", flush=True)  # noqa: T201 - to the process that started this one
    sys.stdin.readline()
    for _ in range(int(n_decisions)):
        reviewer.decide()
    print(json.dumps({"who": who, "done": reviewer.done, **reviewer.told}))  # noqa: T201 - as above


if __name__ == "__main__":
    main(*sys.argv[1:])
