"""Where large payloads are kept, as URLs."""

import pytest

from farhand.errors import InvalidArguments
from farhand.model.places import beside, folder_of


@pytest.mark.parametrize(
    ("store", "place"),
    [
        ("memory:", "memory:"),
        ("sqlite:///jobs.db", "file:jobs.db.blobs"),
        ("sqlite:////var/my jobs.db", "file:/var/my%20jobs.db.blobs"),
        ("postgresql://u@h/d", "file:farhand.blobs"),
    ],
)
def test_they_lie_beside_the_store(store: str, place: str) -> None:
    assert beside(store) == place


@pytest.mark.parametrize(
    ("url", "folder"),
    [("file:///var/blobs", "/var/blobs"), ("file:blobs", "blobs"), ("file:my%20jobs.db.blobs", "my jobs.db.blobs")],
)
def test_a_url_names_a_folder(url: str, folder: str) -> None:
    assert folder_of(url) == folder


@pytest.mark.parametrize("url", ["file:", "file:///", "file:.", "file://host/folder", "ftp://x", "blobs", ""])
def test_no_other_folder_is_named(url: str) -> None:
    with pytest.raises(InvalidArguments, match="names no place for large payloads"):
        folder_of(url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(InvalidArguments) as caught:
        folder_of("http://user:hunter2@host/x")
    assert "hunter2" not in caught.value.message
