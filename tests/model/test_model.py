"""Names, kinds and media types."""

from __future__ import annotations

import msgspec
import pytest

from farhand.errors import InvalidArguments, TooLarge
from farhand.model.event import Kind, to_error, to_fault
from farhand.model.limits import PAYLOAD_LIMIT
from farhand.model.names import check_name, error_names
from farhand.model.payload import Media, check_size
from farhand.model.state import State, read_states


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


def test_sizes_are_checked() -> None:
    check_size(PAYLOAD_LIMIT, "this")
    with pytest.raises(TooLarge, match="this takes 1,048,577 bytes") as caught:
        check_size(PAYLOAD_LIMIT + 1, "this")
    assert caught.value.details == {"limit": PAYLOAD_LIMIT, "size": PAYLOAD_LIMIT + 1}


def test_errors_are_faults_and_back() -> None:
    fault = to_fault(TooLarge("no", limit=1))
    assert (fault.code, fault.message, fault.details) == ("TOO_LARGE", "no", {"limit": 1})
    assert to_error(fault).details == {"limit": 1}
    assert to_error(fault, "killed").details == {"limit": 1, "receipt": "killed"}


def test_states_by_name() -> None:
    assert read_states([]) == frozenset()
    assert read_states(["failed", "failed"]) == {State.FAILED}
    with pytest.raises(InvalidArguments, match="no such state: lost"):
        read_states(["failed", "lost"])
