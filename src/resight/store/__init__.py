"""The catalogue on disk: a database that is the truth, a journal of every change, vectors in plain files."""

from resight.store.batches import Batch
from resight.store.contradictions import Contradiction
from resight.store.derived_sets import DerivedSet, DerivedSets
from resight.store.duplicate_records import DuplicateRecords, ToldApart
from resight.store.editable import Denials
from resight.store.embedded import FailedPhoto, KnownModel
from resight.store.intake import Registered
from resight.store.journal import JournalEntry
from resight.store.labels import Label
from resight.store.split_records import Look, SplitRecords, StoredSplit
from resight.store.store import CatalogueStore

__all__ = [
    "Batch",
    "CatalogueStore",
    "Contradiction",
    "Denials",
    "DerivedSet",
    "DerivedSets",
    "DuplicateRecords",
    "FailedPhoto",
    "JournalEntry",
    "KnownModel",
    "Label",
    "Look",
    "Registered",
    "SplitRecords",
    "StoredSplit",
    "ToldApart",
]
