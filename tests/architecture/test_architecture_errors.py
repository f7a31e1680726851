"""The error tree is the one that its docstring draws."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
from pathlib import Path

import pytest

import resight
from resight import errors

PACKAGE = Path(errors.__file__).parent
EXAMPLES = [
    errors.ResightError("plain"),
    errors.InputError("plain"),
    errors.CatalogueError("wrong", row=3, column="box"),
    errors.ImageError("a.jpg", "is empty"),
    errors.ConfigError("unknown goal 'fpri'.", key="fpri", known=["fpir"]),
    errors.MismatchError("plain"),
    errors.UnknownNameError("metric", "gpa", ["gap", "eer"]),
    errors.NotFittedError("plain"),
    errors.MissingExtraError("openvino", "openvino", "the engine 'openvino'"),
    errors.StoreError("plain"),
    errors.ConflictError("changed since", theirs={"number": 3}, yours={"says": "same"}),
]


def drawn() -> dict[str, set[str]]:
    """Each name of the drawing with the names of its parent and of its built-in bases."""
    found, branch = {}, {}
    for line in errors.__doc__.split("```")[1].strip().splitlines():
        match = re.match(r"(?P<lead>[│├└─ ]*)(?P<name>\w+)(?:\((?P<built_in>\w+)\))?", line)
        depth = len(match["lead"]) // 4
        branch[depth] = match["name"]
        parent = {branch[depth - 1]} if depth else {"Exception"}
        found[match["name"]] = parent | ({match["built_in"]} if match["built_in"] else set())
    return found


def real() -> dict[str, set[str]]:
    classes = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    return {kind.__name__: {base.__name__ for base in kind.__bases__} for kind in classes}


def test_the_drawing_is_the_tree():
    assert drawn() == real()


def test_every_error_is_exported_here_and_from_the_package():
    assert set(errors.__all__) == {*real(), "nearest"}
    assert set(real()) <= set(resight.__all__)


def test_no_error_is_born_elsewhere():
    names = {*real(), "Exception", "ValueError", "RuntimeError", "LookupError", "KeyError", "TypeError", "OSError"}
    strays = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and names & {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    ]
    assert strays == []


def test_there_is_an_example_of_every_error():
    assert {type(example).__name__ for example in EXAMPLES} == set(real())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
@pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickle", "copy"])  # noqa: S301  our own bytes
def test_an_error_comes_whole_out_of_a_worker_process(example, travel):
    came = travel(example)
    assert type(came) is type(example)
    assert str(came) == str(example)
    assert vars(came) == vars(example)


def test_messages_say_where_and_what_is_near():
    said = [str(example) for example in EXAMPLES]
    assert "row 3, column 'box': wrong" in said
    assert "a.jpg: is empty" in said
    assert "unknown goal 'fpri'. Did you mean 'fpir'?" in said
    assert "no metric is called 'gpa'. Did you mean 'gap'? Known: eer, gap." in said
    assert "the engine 'openvino' needs openvino: run  pip install 'resight[openvino]'" in said


def test_a_long_list_of_known_names_is_cut():
    error = errors.UnknownNameError("photo", "i5o", (f"i{n:07d}" for n in range(3_000)))
    assert len(error.known) == 3_000
    assert str(error).endswith("i0000019 and 2,980 more.")


@pytest.mark.parametrize(("name", "found"), [("fpri", "fpir"), ("zzz", None), ("", None)])
def test_nearest(name, found):
    assert errors.nearest(name, ["fpir", "share-new"]) == found
    assert errors.nearest(name, []) is None
