"""What tells whether a blob is whole, and what may be read of it."""

from __future__ import annotations

import pytest

from farhand.errors import DataDamaged, InvalidArguments
from farhand.model.blob import SEAL_SIZE, Blob, check_span, check_whole, seal, taken, unsealed

CHECKSUM = "xxh3:" + "0f" * 16
OTHER = "xxh3:" + "f0" * 16
BLOB = Blob("a", 10, CHECKSUM, 0.0)


def test_a_seal_tells_what_was_sealed() -> None:
    for size in (0, 7, 2**40):
        assert len(seal(size, CHECKSUM)) == SEAL_SIZE
        assert unsealed("a", size + SEAL_SIZE, seal(size, CHECKSUM)) == (size, CHECKSUM)


def test_no_other_end_is_a_seal() -> None:
    whole = seal(7, CHECKSUM)
    for kept, end in (
        (8 + SEAL_SIZE, whole),
        (7, whole),
        (7 + SEAL_SIZE, whole[:-1]),
        (7 + SEAL_SIZE, b""),
        (7 + SEAL_SIZE, b"F" + whole[1:]),
        (7 + SEAL_SIZE, bytes(SEAL_SIZE)),
    ):
        with pytest.raises(DataDamaged, match="blob a is damaged: it was cut or overwritten"):
            unsealed("a", kept, end)


def test_what_is_known_must_be_what_was_found() -> None:
    for meant in ((-1, ""), (7, ""), (-1, CHECKSUM), (7, CHECKSUM)):
        check_whole("a", meant, (7, CHECKSUM))
    with pytest.raises(DataDamaged, match="it has 7 bytes in place of 8"):
        check_whole("a", (8, CHECKSUM), (7, CHECKSUM))
    with pytest.raises(DataDamaged, match="its checksum is another one"):
        check_whole("a", (7, OTHER), (7, CHECKSUM))
    with pytest.raises(InvalidArguments, match="is no checksum"):
        check_whole("a", (7, "md5:0"), (7, CHECKSUM))


@pytest.mark.parametrize(
    ("offset", "length", "wanted"),
    [(0, None, (0, 10)), (3, None, (3, 10)), (3, 4, (3, 7)), (3, 99, (3, 10)), (10, None, (10, 10)), (0, 0, (0, 0))],
)
def test_a_span_ends_with_the_blob(offset: int, length: int | None, wanted: tuple[int, int]) -> None:
    assert check_span(BLOB, offset, length) == range(*wanted)


@pytest.mark.parametrize(("offset", "length"), [(11, None), (-1, None), (0, -1)])
def test_no_span_begins_outside(offset: int, length: int | None) -> None:
    with pytest.raises(InvalidArguments, match="blob a has 10 bytes: it can't be read from"):
        check_span(BLOB, offset, length)


def test_a_taken_id_says_what_to_do() -> None:
    assert "use a new id" in taken("a").message
