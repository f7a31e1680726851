"""Search: who in the gallery looks most like the query."""

from __future__ import annotations

from resight.search.approximate import ApproximateSearch
from resight.search.choose import choose
from resight.search.exact import ExactSearch
from resight.search.milvus import MilvusSearch
from resight.search.milvus_calls import MilvusConnection
from resight.search.milvus_collection import MilvusCollection, Written

__all__ = [
    "ApproximateSearch",
    "ExactSearch",
    "MilvusCollection",
    "MilvusConnection",
    "MilvusSearch",
    "Written",
    "choose",
]
