"""Names, kinds and media types."""

from __future__ import annotations

import msgspec
import pytest

from farhand.errors import InvalidArguments
from farhand.model.event import Kind
from farhand.model.names import check_name, error_names
from farhand.model.payload import Media


@pytest.mark.parametrize("name", ["a", "A.b-c:d@e_1", "0", "x" * 200])
def test_good_names(name: str) -> None:
    assert check_name("handler", name) == name


@pytest.mark.parametrize("name", ["", "-a", "a b", "x" * 201, "é", "a\n", "../a"])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidArguments, match="handler name"):
        check_name("handler", name)


def test_ends_and_mimes() -> None:
    assert [kind.name for kind in Kind if kind.final] == ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]
    assert Media.JSON.mime == "application/json"


def test_error_types_have_names() -> None:
    assert error_names((ValueError, "a.B", msgspec.DecodeError)) == ("ValueError", "a.B", "msgspec.DecodeError")
    assert error_names(()) == ()
    for wrong in ("ValueError", ValueError, [7], [int], [""]):
        with pytest.raises(TypeError):
            error_names(wrong)
