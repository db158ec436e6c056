"""What names a spooled result, as it lies in a job's own result."""

from __future__ import annotations

import msgspec
import pytest

from farhand.model.spooled import Spooled


def test_a_name_comes_back_as_it_was() -> None:
    spooled = Spooled(name="1", size=3, sha256="ab", content="message", type="p.M")
    assert msgspec.convert(msgspec.to_builtins(spooled), Spooled) == spooled


def test_what_it_holds_is_one_of_the_known_kinds() -> None:
    with pytest.raises(msgspec.ValidationError, match="content"):
        msgspec.convert({"name": "1", "size": 3, "sha256": "ab", "content": "picture"}, Spooled)
