"""Photos: find, open, turn upright, cut, resize. The only room that decodes pixels."""

from resight.images.decode import BACKGROUND, READING, photo_size, pixels_to_decode, read_photo
from resight.images.encode import as_jpeg
from resight.images.failures import Failure, Remark
from resight.images.files import (
    DEFAULT_LIMITS,
    SUFFIXES,
    ImageLimits,
    check_bytes,
    find_photos,
    fingerprint,
    in_words,
    read_bytes,
)
from resight.images.shape import ResizeMode, resize, scaled, thumbnail
from resight.images.urls import is_url, place_of, url_of

__all__ = [
    "BACKGROUND",
    "DEFAULT_LIMITS",
    "READING",
    "SUFFIXES",
    "Failure",
    "ImageLimits",
    "Remark",
    "ResizeMode",
    "as_jpeg",
    "check_bytes",
    "find_photos",
    "fingerprint",
    "in_words",
    "is_url",
    "photo_size",
    "pixels_to_decode",
    "place_of",
    "read_bytes",
    "read_photo",
    "resize",
    "scaled",
    "thumbnail",
    "url_of",
]
