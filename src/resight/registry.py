"""Names to factories: built-ins and plug-ins come through the same door.

A built-in stands here as `"module:attribute"`, which is imported only when it is asked for. A
plug-in is an entry point in the group `resight.<kind>` of its own distribution; it adds a name and
never takes over that of a built-in.

Example:
    >>> "folders" in names("layouts")
    True
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from resight.errors import UnknownNameError

_BUILT_IN: dict[str, dict[str, str]] = {
    "layouts": {
        "humpback": "resight.datasets.humpback:HumpbackLayout",
        "happywhale": "resight.datasets.happywhale:HappywhaleLayout",
        "happywhale-26": "resight.datasets.happywhale:Happywhale26Layout",
        "landmarks": "resight.datasets.landmarks:LandmarkLayout",
        "kryptonite": "resight.datasets.kryptonite:KryptoniteLayout",
        "animalclef": "resight.datasets.animalclef:AnimalClefLayout",
        "camtrap": "resight.datasets.camtrap:CamtrapLayout",
        "coco": "resight.datasets.coco:CocoLayout",
        "wildbook": "resight.datasets.wildbook:WildbookLayout",
        "wildlife": "resight.datasets.wildlife:WildlifeLayout",
        "table": "resight.datasets.table:TableLayout",
        "folders": "resight.datasets.folders:FolderLayout",
    },
    "searchers": {
        "exact": "resight.search.exact:ExactSearch",
        "approximate": "resight.search.approximate:ApproximateSearch",
        "milvus": "resight.search.milvus:MilvusSearch.of",
        "coded": "resight.search.coded:CodedSearch",
    },
    "local_features": {
        "rootsift": "resight.rerank.rootsift:Rootsift",
        "xfeat": "resight.rerank.learned:LearnedFeatures",
        "aliked": "resight.rerank.learned:LearnedFeatures",
        "disk": "resight.rerank.learned:LearnedFeatures",
    },
    "local_matchers": {
        "lightglue": "resight.rerank.learned:LearnedMatcher",
        "lighterglue": "resight.rerank.learned:LearnedMatcher",
        "superglue": "resight.rerank.superglue:Superglue",
    },
    "face_finders": {
        "yunet": "resight.faces.yunet:Yunet",
        "boxes-68": "resight.faces.boxes68:Boxes68",
    },
    "backbones": {
        "efficientnet-lite0": "resight.train.networks.backbones:lite0",
    },
    "exports": {
        "csv": "resight.datasets.wildlife:TableExport",
        "wildlife": "resight.datasets.wildlife:WildlifeExport",
        "coco": "resight.datasets.coco:CocoExport",
        "wildbook": "resight.datasets.wildbook_export:WildbookExport",
        "camtrap": "resight.datasets.camtrap_export:CamtrapExport",
    },
    "submissions": {
        "humpback": "resight.datasets.humpback:HumpbackSubmission",
        "happywhale": "resight.datasets.happywhale:HappywhaleSubmission",
        "landmarks": "resight.datasets.landmarks:LandmarkSubmission",
        "kryptonite": "resight.datasets.kryptonite:KryptoniteSubmission",
        "animalclef": "resight.datasets.animalclef:AnimalClefSubmission",
        "clusters": "resight.datasets.clusters:ClusterSubmission",
    },
}


def names(kind: str) -> list[str]:
    """The names of one kind ("layouts", "searchers", "submissions"), built-ins first, in order of precedence.

    Raises:
        UnknownNameError: when there is no such kind.
    """
    return list(_points(kind))


def get(kind: str, name: str) -> Any:
    """The factory of that name, imported now.

    Raises:
        UnknownNameError: when nothing of that kind has that name; lists the known ones.
    """
    points = _built_in(kind)
    if name not in points:  # only now, since it reads about every package that is installed
        points = _points(kind)
    if name not in points:
        raise UnknownNameError(kind.removesuffix("s"), name, points)
    return points[name].load()


def _built_in(kind: str) -> dict[str, EntryPoint]:
    if kind not in _BUILT_IN:
        raise UnknownNameError("kind of plug-in", kind, _BUILT_IN)
    return {name: EntryPoint(name, target, f"resight.{kind}") for name, target in _BUILT_IN[kind].items()}


def _points(kind: str) -> dict[str, EntryPoint]:
    built_in = _built_in(kind)
    plugged_in = entry_points(group=f"resight.{kind}")
    return built_in | {point.name: point for point in plugged_in if point.name not in built_in}
