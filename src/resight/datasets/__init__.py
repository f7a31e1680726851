"""Label layouts: whatever way photos are labelled, a catalogue comes out.

One file per family. A layout stands in the registry, more specific ones first; `detect` asks
each in turn whether it recognises what lies there.
"""

from resight.datasets.detect import detect, read_catalogue
from resight.datasets.forging import ForgedSet, forge_photos
from resight.datasets.pair_tables import read_pairs
from resight.datasets.synthetic import make_synthetic

__all__ = ["ForgedSet", "detect", "forge_photos", "make_synthetic", "read_catalogue", "read_pairs"]
