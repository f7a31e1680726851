"""The house: the public names, their words, and the size of its rooms."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import resight

PACKAGE = Path(resight.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 40

PUBLIC = {
    "Alike",
    "Bundle",
    "Candidate",
    "Catalogue",
    "CatalogueError",
    "ConfigError",
    "ConflictError",
    "Decision",
    "Eligibility",
    "Embeddings",
    "Estimate",
    "HeadRecipe",
    "Identifier",
    "ImageError",
    "InputError",
    "Matches",
    "MismatchError",
    "MissingExtraError",
    "NotFittedError",
    "OperatingPoint",
    "PhotoPairs",
    "Recipe",
    "RerankRecipe",
    "ResightError",
    "SpaceRecipe",
    "StoreError",
    "TrainRecipe",
    "UnknownNameError",
    "Verdict",
    "__version__",
    "ablate_catalogue",
    "calibrate_catalogue",
    "evaluate_catalogue",
    "export_catalogue",
    "explore_photos",
    "find_duplicates",
    "find_leaks",
    "forge_photos",
    "group_catalogue",
    "index_embeddings",
    "index_photos",
    "judge_holdout",
    "make_synthetic",
    "prepare_copies",
    "read_catalogue",
    "score_files",
    "split_catalogue",
    "train_forgery",
    "train_head",
    "train_network",
    "tune_network",
    "verify_pairs",
}
"""The promise to users. A name that comes or goes is written here and in CHANGELOG.md."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes, functions and methods; what stands inside a function is nobody else's."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


def lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


class TestPublicNames:
    def test_they_are_exactly_the_promised_ones(self):
        assert set(resight.__all__) == PUBLIC
        assert len(resight.__all__) == len(set(resight.__all__))
        assert sorted(dir(resight)) == sorted(resight.__all__)

    @pytest.mark.parametrize("name", sorted(PUBLIC))
    def test_each_is_there_and_explained(self, name):
        thing = getattr(resight, name)
        if not isinstance(thing, str):
            assert inspect.getdoc(thing)

    def test_what_the_type_checker_sees_is_what_is_there(self):
        block = next(node for node in tree(PACKAGE / "__init__.py").body if isinstance(node, ast.If))
        seen = {(node.module, alias.name) for node in block.body for alias in node.names}
        assert {name for _, name in seen} == PUBLIC - {"__version__"}
        for module, name in seen:
            assert getattr(resight, name) is getattr(__import__(module, fromlist=[name]), name)

    def test_an_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="'resight' has no attribute 'identifier'"):
            resight.identifier  # noqa: B018  the look-up itself is the test


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
class TestEverySource:
    def test_the_file_and_its_public_names_are_explained(self, path):
        module = tree(path)
        assert ast.get_docstring(module)
        unexplained = [name for name, node in public_definitions(module.body) if not ast.get_docstring(node)]
        assert unexplained == []

    def test_the_file_is_short(self, path):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE

    def test_the_functions_are_short(self, path):
        functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        long = {node.name: lines for node in functions if (lines := lines_without_docstring(node)) > LONGEST_FUNCTION}
        assert long == {}

    def test_the_name_says_what_it_is_for(self, path):
        assert not {*path.relative_to(PACKAGE).with_suffix("").parts} & {"utils", "common", "misc", "helpers", "util"}

    def test_what_all_promises_is_there(self, path):
        module = tree(path)
        promised = [
            ast.literal_eval(node.value)
            for node in module.body
            if isinstance(node, ast.Assign) and "__all__" in [ast.unparse(target) for target in node.targets]
        ]
        named = {
            alias.asname or alias.name
            for node in ast.walk(module)
            for alias in getattr(node, "names", [])
            if isinstance(alias, ast.alias)
        }
        named |= {node.name for node in module.body if isinstance(node, Definition)}
        named |= {ast.unparse(t) for node in module.body if isinstance(node, ast.Assign) for t in node.targets}
        named |= {ast.unparse(node.target) for node in module.body if isinstance(node, ast.AnnAssign)}
        assert set(promised[0] if promised else ()) <= named
