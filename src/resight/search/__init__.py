"""Search: who in the gallery looks most like the query."""

from __future__ import annotations

from resight.search.approximate import ApproximateSearch
from resight.search.choose import choose, is_large
from resight.search.coded import CodedSearch
from resight.search.codes_folder import CodesFolder
from resight.search.exact import ExactSearch
from resight.search.milvus import MilvusSearch
from resight.search.milvus_calls import MilvusConnection
from resight.search.milvus_collection import MilvusCollection, Written

__all__ = [
    "ApproximateSearch",
    "CodedSearch",
    "CodesFolder",
    "ExactSearch",
    "MilvusCollection",
    "MilvusConnection",
    "MilvusSearch",
    "Written",
    "choose",
    "is_large",
]
