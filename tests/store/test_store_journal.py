from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resight.core import Catalogue
from resight.errors import InputError, ResightError, UnknownNameError
from resight.store import CatalogueStore, JournalEntry, Label, journal
from resight.store.journal import replay

LABELS = {"a1": "A", "a2": "A", "a3": "A", "b1": "B", "b2": "B", "c1": "C", "n1": None}


@pytest.fixture
def labelled(store, table) -> CatalogueStore:
    store.register(table(LABELS))
    return store


def names(store: CatalogueStore) -> dict[str, str | None]:
    catalogue = store.catalogue()
    return dict(zip(catalogue.image_ids.tolist(), catalogue.column("identity"), strict=True))


def changed(store: CatalogueStore) -> dict[str, str | None]:
    return {image_id: name for image_id, name in names(store).items() if name != LABELS[image_id]}


def test_rename(labelled):
    entry = labelled.rename("A", "Nala", who="anna")
    assert changed(labelled) == dict.fromkeys(("a1", "a2", "a3"), "Nala")
    assert (entry.number, entry.who, entry.verb, entry.undoes) == (1, "anna", "rename", None)
    assert entry.sentence == "rename 'A' to 'Nala', 3 photos"
    assert entry.before["a1"] == Label("A")
    assert entry.after["a1"] == Label("Nala")
    assert labelled.log() == [entry]


def test_merge(labelled):
    entry = labelled.merge(["A", "B", "C"], "C", who="anna")
    assert changed(labelled) == dict.fromkeys(("a1", "a2", "a3", "b1", "b2"), "C")
    assert entry.sentence == "merge 'A', 'B' into 'C', 5 photos"


def test_split(labelled):
    entry = labelled.split(["a3", "a1"], "D", who="anna")
    assert changed(labelled) == {"a1": "D", "a3": "D"}
    assert entry.sentence == "split 2 photos of 'A' off as 'D'"


def test_assign(labelled):
    labelled.assign(["n1", "a1", "b1"], "B", who="anna")
    assert changed(labelled) == {"n1": "B", "a1": "B"}
    assert sorted(labelled.log()[0].after) == ["a1", "n1"]  # b1 did not change
    labelled.assign(["n1"], "new", who="anna")
    entry = labelled.assign(["n1", "a1"], None, who="anna")
    assert changed(labelled) == {"a1": None}
    assert entry.sentence == "assign no name to 2 photos"


def test_reject(labelled):
    entry = labelled.reject("a1", "A", who="anna")
    labelled.reject("n1", "B", who="anna")
    assert changed(labelled) == {"a1": None}
    assert labelled.rejections() == {"a1": ("A",), "n1": ("B",)}
    assert entry.sentence == "say that photo 'a1' does not show 'A'"
    labelled.rename("B", "Nala", who="anna")
    assert labelled.rejections() == {"a1": ("A",), "n1": ("Nala",)}
    labelled.merge(["A"], "Nala", who="anna")
    assert labelled.rejections() == {"a1": ("Nala",), "n1": ("Nala",)}
    labelled.assign(["n1"], "Nala", who="anna")
    assert labelled.rejections() == {"a1": ("Nala",)}
    labelled.merge(["Nala"], "C", who="anna")
    labelled.undo(who="anna")
    assert labelled.rejections() == {"a1": ("Nala",)}


def test_a_merge_outweighs_an_older_rejection_of_the_same_being(labelled):
    labelled.reject("b1", "A", who="anna")
    labelled.merge(["A"], "B", who="anna")
    assert labelled.rejections() == {}
    labelled.undo(who="anna")
    assert labelled.rejections() == {"b1": ("A",)}


def test_names_that_nobody_has(labelled):
    labelled.rename("C", "Nala", who="anna")
    for ask in (
        lambda: labelled.rename("Nela", "X", who="anna"),
        lambda: labelled.merge(["A", "Nela"], "B", who="anna"),
        lambda: labelled.merge(["A"], "Nela", who="anna"),
        lambda: labelled.reject("a1", "Nela", who="anna"),
    ):
        with pytest.raises(UnknownNameError, match=r"no individual is called 'Nela'\. Did you mean 'Nala'\?"):
            ask()
    for ask in (
        lambda: labelled.split(["a11"], "X", who="anna"),
        lambda: labelled.assign(["a1", "a11"], "X", who="anna"),
        lambda: labelled.reject("a11", "A", who="anna"),
    ):
        with pytest.raises(UnknownNameError, match=r"no photo is called 'a11'\. Did you mean 'a1'\?"):
            ask()
    assert len(labelled.log()) == 1


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda s: s.rename("A", "B", who="anna"), "there is a 'B': merge the two if they are one and the same"),
        (lambda s: s.rename("A", "A", who="anna"), "there is a 'A': merge"),
        (lambda s: s.rename("A", " ", who="anna"), "expected the name of an individual, found ' '"),
        (lambda s: s.merge(["A"], "A", who="anna"), "another individual to merge into 'A', found only 'A' itself"),
        (lambda s: s.merge("A", "A", who="anna"), "found only 'A' itself"),
        (lambda s: s.split(["a1", "b1"], "D", who="anna"), "found 'A' and 'B': assign the photos instead"),
        (lambda s: s.split(["a1", "n1"], "D", who="anna"), "found 'A' and none: assign the photos instead"),
        (lambda s: s.split(["b1", "b2"], "D", who="anna"), "found all 2: rename it instead"),
        (lambda s: s.split(["a1"], "B", who="anna"), "there is a 'B': assign the photos to it instead"),
        (lambda s: s.split([], "D", who="anna"), "expected at least one photo, found none"),
        (lambda s: s.assign([], "D", who="anna"), "expected at least one photo, found none"),
        (lambda s: s.assign(["a1", "a2"], "A", who="anna"), "the photos are as this assign would make them"),
        (lambda s: s.assign(["a1"], "", who="anna"), "expected the name of an individual, found ''"),
        (lambda s: s.rename("A", "D", who=" "), "expected the name of who makes the change"),
        (lambda s: s.undo(who="anna"), "found none in the journal that is not undone already"),
    ],
)
def test_edits_that_make_no_sense(labelled, ask, told):
    with pytest.raises(InputError, match=told):
        ask(labelled)
    assert changed(labelled) == {}
    assert labelled.log() == []


def test_rejecting_twice_is_refused(labelled):
    labelled.reject("a1", "B", who="anna")
    with pytest.raises(InputError, match="the photos are as this reject would make them"):
        labelled.reject("a1", "B", who="anna")


def test_undo_takes_back_exactly_what_was_done(labelled):
    labelled.merge(["A"], "B", who="anna")
    entry = labelled.undo(who="ben")
    assert changed(labelled) == {}
    assert (entry.verb, entry.who, entry.undoes) == ("undo", "ben", 1)
    told = [one.sentence for one in labelled.log()]
    assert told == ["merge 'A' into 'B', 3 photos (undone by 2)", "undo 1, 3 photos"]


def test_undo_without_a_number_goes_back_step_by_step(labelled):
    labelled.rename("A", "X", who="anna")
    labelled.rename("X", "Y", who="anna")
    labelled.rename("B", "Z", who="anna")
    assert [labelled.undo(who="anna").undoes for _ in range(3)] == [3, 2, 1]
    assert changed(labelled) == {}


def test_an_entry_is_undone_once_and_an_undo_may_be_undone(labelled):
    labelled.rename("A", "X", who="anna")
    labelled.undo(1, who="anna")
    with pytest.raises(InputError, match="found that 1 was undone by 2: to turn that round, undo 2"):
        labelled.undo(1, who="anna")
    labelled.undo(2, who="anna")
    assert names(labelled)["a1"] == "X"
    with pytest.raises(InputError, match="found that 1 was undone by 2: to turn that round, undo 3"):
        labelled.undo(1, who="anna")
    assert [one.undone_by for one in labelled.log()] == [None, 3, None]
    with pytest.raises(UnknownNameError, match="no journal entry is called '9'"):
        labelled.undo(9, who="anna")


def test_undo_refuses_what_a_later_edit_touched(labelled):
    labelled.rename("A", "X", who="anna")
    labelled.assign(["n1"], "C", who="anna")
    labelled.assign(["a2"], "B", who="ben")
    with pytest.raises(InputError) as told:
        labelled.undo(1, who="anna")
    assert str(told.value) == (
        "expected the photos of entry 1 as it left them, found 'a2' changed since by entry 3 "
        "(assign 'B' to 1 photo; ben): undo 3 first"
    )
    labelled.undo(3, who="anna")
    labelled.undo(1, who="anna")
    assert changed(labelled) == {"n1": "C"}
    with pytest.raises(InputError, match="'a2' changed since by entry 5"):
        labelled.undo(4, who="anna")  # to bring 3 back now would overwrite what undoing 1 did


def test_a_part_of_the_journal_is_that_part_of_the_whole(labelled):
    for number in range(6):
        labelled.rename(f"A{number}" if number else "A", f"A{number + 1}", who="anna")
    labelled.undo(6, who="ben")
    labelled.undo(7, who="anna")
    labelled.undo(8, who="ben")
    whole = labelled.log()
    for after in (0, 2, 9, 20):
        for before in (None, 1, 7, 20):
            part = [one for one in whole if one.number > after and (before is None or one.number < before)]
            assert labelled.log(after=after, before=before) == part
            assert labelled.n_entries(after=after, before=before) == len(part)
            for last in (1, 3, 100):
                assert labelled.log(after=after, before=before, last=last) == part[-last:]


def test_only_the_rows_that_are_asked_for_are_read(labelled, monkeypatch):
    for number in range(6):
        labelled.rename(f"A{number}" if number else "A", f"A{number + 1}", who="anna")
    read, plain = [], journal._entry
    monkeypatch.setattr(journal, "_entry", lambda row, undone_by: read.append(row.number) or plain(row, undone_by))
    labelled.log(last=2)
    assert read == [5, 6]


def test_the_journal_is_json(labelled):
    labelled.reject("a1", "A", who="änna")
    labelled.undo(who="änna")
    told = json.loads(json.dumps([entry.to_json() for entry in labelled.log()]))
    assert told[0]["before"] == {"a1": {"identity": "A"}}
    assert told[0]["after"] == {"a1": {"identity": None, "rejected": ["A"]}}
    assert told[0]["undone_by"] == 2
    assert told[1]["sentence"] == "undo 1, 1 photo"


# Random edits against a plain model of them

IN_MEMORY = next((folder for folder in ["/dev/shm"] if os.access(folder, os.W_OK)), None)  # noqa: S108 - only quicker
IDS = sorted(LABELS)
NAMES = ["A", "B", "C", "D", "E"]
_ids = st.lists(st.sampled_from(IDS), max_size=3, unique=True)
_name = st.sampled_from(NAMES)
EDITS = st.one_of(
    st.tuples(st.just("rename"), _name, _name),
    st.tuples(st.just("merge"), st.lists(_name, min_size=1, max_size=2), _name),
    st.tuples(st.just("split"), _ids, _name),
    st.tuples(st.just("assign"), _ids, st.none() | _name),
    st.tuples(st.just("reject"), st.sampled_from(IDS), _name),
    st.tuples(st.just("undo"), st.none() | st.integers(1, 12)),
    st.tuples(st.just("import"), st.sampled_from(IDS), st.none() | _name),
)


class PlainModel:
    """The same edits on a plain mapping, one photo at a time, with a snapshot before each."""

    def __init__(self) -> None:
        self.state = {image_id: (name, frozenset()) for image_id, name in LABELS.items()}
        self.source = dict(LABELS)
        self.steps: list[tuple[dict, dict]] = []
        self.undoes: list[int | None] = []
        self.renames: list[dict[str, str] | None] = []

    def standing(self, number: int) -> bool:
        return not any(t == number and self.standing(u) for u, t in enumerate(self.undoes, 1))

    def known(self) -> set[str]:
        return {name for name, _ in self.state.values() if name}

    def apply(self, edit: tuple) -> bool:
        """Carry an edit out; False when it makes no sense."""
        verb, *rest = edit
        after = getattr(self, verb)(*rest)
        if after is None:
            return False
        touched = {i for i in after if after[i] != self.state[i]}
        if not touched:
            return verb == "import"
        self.steps.append(({i: self.state[i] for i in touched}, {i: after[i] for i in touched}))
        self.undoes.append(self.asked if verb == "undo" else None)
        self.renames.append(
            {"rename": self.names_changed, "merge": self.names_changed}.get(verb, lambda *_: None)(edit)
        )
        self.state |= after
        return True

    @staticmethod
    def names_changed(edit: tuple) -> dict[str, str]:
        olds = edit[1] if isinstance(edit[1], list) else [edit[1]]
        return {old: edit[2] for old in olds if old != edit[2]}

    def translated(self, names: dict[str, str]) -> dict:
        after = {}
        for image_id, (name, rejected) in self.state.items():
            new = names.get(name, name)
            after[image_id] = (new, frozenset(names.get(n, n) for n in rejected) - {new})
        return after

    def rename(self, old: str, new: str) -> dict | None:
        return self.translated({old: new}) if old in self.known() and new not in self.known() else None

    def merge(self, olds: list[str], into: str) -> dict | None:
        sensible = {*olds, into} <= self.known() and set(olds) != {into}
        return self.translated({old: into for old in olds if old != into}) if sensible else None

    def split(self, ids: list[str], new: str) -> dict | None:
        found = {self.state[i][0] for i in ids}
        if len(found) != 1 or None in found or new in self.known():
            return None
        everything = [i for i in self.state if self.state[i][0] in found]
        return None if len(everything) == len(ids) else self.assign(ids, new)

    def assign(self, ids: list[str], name: str | None) -> dict | None:
        after = {i: (name, self.state[i][1] - {name}) for i in ids}
        return after if any(after[i] != self.state[i] for i in ids) else None

    def reject(self, image_id: str, name: str) -> dict | None:
        before, rejected = self.state[image_id]
        if name not in self.known() or name in rejected:
            return None
        return {image_id: (None if before == name else before, rejected | {name})}

    def undo(self, number: int | None) -> dict | None:
        edits = [n for n in range(1, len(self.steps) + 1) if self.undoes[n - 1] is None and self.standing(n)]
        number = max(edits, default=0) if number is None else number
        if not 1 <= number <= len(self.steps) or number in self.undoes:
            return None
        before, after = self.steps[number - 1]
        for later in range(number + 1, len(self.steps) + 1):
            target = self.undoes[later - 1]
            only_took_back = target is not None and target > number
            if self.standing(later) and not only_took_back and self.steps[later - 1][1].keys() & after.keys():
                return None
        assert all(self.state[i] == after[i] for i in after)
        self.asked = number
        return before

    def do_import(self, image_id: str, label: str | None) -> dict:
        if label == self.source[image_id]:
            return {}
        self.source[image_id] = label
        for number, renames in enumerate(self.renames, 1):
            if renames and self.standing(number):
                label = renames.get(label, label)
        return {image_id: (label, self.state[image_id][1] - {label})}


setattr(PlainModel, "import", PlainModel.do_import)


def carry_out(store: CatalogueStore, edit: tuple, source: dict[str, str | None]) -> JournalEntry | None:
    verb, *rest = edit
    if verb != "import":
        return getattr(store, verb)(*rest, who="anna")
    image_id, label = rest
    labels = pl.Series("identity", list((source | {image_id: label}).values()), pl.String)
    frame = pl.DataFrame({"image_id": list(source), "path": list(source)}).with_columns(labels)
    store.register(Catalogue(frame, Path("/nowhere")))
    return None


def tables(store: CatalogueStore) -> dict[str, Label]:
    rejected = store.rejections()
    return {image_id: Label(name, rejected.get(image_id, ())) for image_id, name in names(store).items()}


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("random-edits") / "catalogue"
    frame = pl.DataFrame({"image_id": list(LABELS), "path": list(LABELS), "identity": list(LABELS.values())})
    CatalogueStore.create(folder).register(Catalogue(frame, Path("/nowhere")))
    return folder


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(edits=st.lists(EDITS, max_size=10))
def test_the_journal_replays_to_exactly_the_state_of_the_tables(start, edits):
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        shutil.copytree(start, folder, dirs_exist_ok=True)
        store, model = CatalogueStore.open(folder), PlainModel()
        for edit in edits:
            source = dict(model.source)
            if model.apply(edit):
                carry_out(store, edit, source)
            else:
                with pytest.raises(ResightError):
                    carry_out(store, edit, source)
            assert tables(store) == {i: Label(name, tuple(sorted(no))) for i, (name, no) in model.state.items()}
        log = store.log()
        assert replay(LABELS, log) == tables(store)
        assert [entry.undoes for entry in log] == model.undoes
        for entry in log:
            assert (entry.undone_by is None) == model.standing(entry.number)
            assert replay(LABELS, log[: entry.number - 1]).items() >= entry.before.items()
        with sqlite3.connect(Path(folder) / "catalogue.db") as connection:
            first = dict(connection.execute("SELECT image_id, first_identity FROM photos"))
            assert first == LABELS
        connection.close()
