"""Photos behind a URL: named, listed, fetched within the limits, and indexed like those of a folder."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest

from resight.embed import Bundle, bundle_path, embed_photos
from resight.errors import ImageError, InputError
from resight.images import ImageLimits, as_jpeg, is_url, place_of, url_of
from resight.pipeline import index_photos
from resight.scale import remote_photos
from resight.scale.partitions import PartitionFolder
from resight.scale.remote import fetch
from resight.scale.worker import EmbedPartition
from resight.store import CatalogueStore


@pytest.fixture
def bucket():
    """A bucket in memory: three photos of two individuals, a damaged one, and what is no photo."""
    files = fsspec.filesystem("memory")
    rng = np.random.default_rng(0)
    for name in ("Ann/1.jpg", "Ann/2.jpg", "Bob/ü 1.JPG"):
        files.pipe(f"/set/{name}", as_jpeg(rng.integers(0, 256, (50, 60, 3), np.uint8)))
    files.pipe(
        {"/set/Bob/bad.jpg": b"no photo", "/set/notes.txt": b"", "/set/.hidden/4.jpg": b"", "/settle/5.jpg": b""}
    )
    yield files
    files.rm("/set", recursive=True)
    files.rm("/settle", recursive=True)


class InProcess:
    """What the workers do, without Ray."""

    def embed(self, photos, bundle, folder, *, strict=False):  # noqa: ARG002  an engine is handed the folder
        return embed_photos(photos, Bundle.load(bundle), strict=strict, fetch=fetch)


def vectors_of(folder: Path) -> dict[str, bytes]:
    embeddings = CatalogueStore.open(folder).embeddings(Bundle.load(bundle_path()).model_id)
    return {i: row.tobytes() for i, row in zip(embeddings.image_ids.tolist(), embeddings.vectors, strict=True)}


def test_a_bucket_is_indexed_like_a_folder_and_only_what_failed_is_fetched_again(bucket, tmp_path):
    for name in bucket.find("/set"):
        if name.lower().endswith("jpg") and "hidden" not in name:
            (tmp_path / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name[1:]).write_bytes(bucket.cat_file(name))
    index_photos(tmp_path / "set", tmp_path / "local")
    found = index_photos(remote_photos("memory://set"), tmp_path / "remote", engine=InProcess())
    assert (found.n_photos, found.n_identities, found.n_embedded) == (4, 2, 3)
    assert [one.image_id for one in found.failures] == ["Bob/bad.jpg"]
    assert vectors_of(tmp_path / "remote") == vectors_of(tmp_path / "local")

    bucket.pipe("/set/Bob/bad.jpg", bucket.cat_file("/set/Ann/1.jpg"))
    bucket.rm("/set/Ann/2.jpg")
    again = index_photos(remote_photos("memory://set"), tmp_path / "remote", engine=InProcess())
    assert (again.n_embedded, again.n_removed, again.failures) == (1, 1, ())


@pytest.mark.usefixtures("bucket")
def test_a_finished_partition_of_a_bucket_is_kept(tmp_path):
    photos = remote_photos("memory://set")
    (partition,) = PartitionFolder(tmp_path).plan(photos, 9)
    EmbedPartition(str(bundle_path()), str(tmp_path), 1)({"partition": partition.to_text()})
    assert PartitionFolder(tmp_path).plan(photos, 2) == [partition]
    assert [one.image_id for one in PartitionFolder(tmp_path).read(partition).failures] == ["Bob/bad.jpg"]


@pytest.mark.usefixtures("bucket")
def test_a_table_says_who_is_on_them(tmp_path):
    (tmp_path / "names.csv").write_text("path,identity\nAnn/1.jpg,Cleo\n")
    photos = remote_photos("memory://set", tmp_path / "names.csv")
    assert dict(zip(photos.image_ids.tolist(), photos.column("identity"), strict=True))["Ann/1.jpg"] == "Cleo"
    assert photos.n_identities == 1


def test_what_cannot_be_fetched_is_a_sentence(bucket):
    with pytest.raises(ImageError, match="there is no such file"):
        fetch("memory://set/none.jpg", ImageLimits())
    with pytest.raises(ImageError, match="the file is empty"):
        fetch("memory://set/notes.txt", ImageLimits())
    with pytest.raises(ImageError, match=r"at most 10 are allowed"):
        fetch("memory://set/Ann/1.jpg", ImageLimits(max_bytes=10))
    with pytest.raises(ImageError, match="it cannot be fetched"):
        fetch("nosuch://set/1.jpg", ImageLimits())
    with pytest.raises(InputError, match="expected to list the photos below nosuch://set, found"):
        remote_photos("nosuch://set")
    bucket.mkdir("/void")
    with pytest.raises(InputError, match="expected photos below memory://void, found none"):
        remote_photos("memory://void")


@pytest.mark.parametrize("url", ["s3://bucket/photos", "memory://a", "https://host:80/a b/ü"])
def test_a_url_and_its_place(url):
    assert is_url(url)
    assert url_of(place_of(url)) == url
    assert url_of(place_of(url) / "x.jpg") == f"{url}/x.jpg"


def test_what_is_no_url_or_holds_a_password_is_refused():
    assert not any(is_url(one) for one in ("photos", "/s3:/bucket", "file:///photos", "C:/photos", Path("s3://b")))
    assert url_of(Path("/photos/s3:/a.jpg")) is None
    with pytest.raises(InputError, match="expected a URL without a password"):
        place_of("s3://key:secret@bucket/photos")
    with pytest.raises(InputError, match="expected a URL such as"):
        place_of("photos")
