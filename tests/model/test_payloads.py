"""Payloads by number and by name, what they cost, and the refs that stand for them."""

from __future__ import annotations

import pytest

from farhand.errors import InvalidArguments
from farhand.model.limits import CHUNK_OVERHEAD
from farhand.model.payload import LOCAL, REF_COST, Media, Payload, charged, chunk_cost, format_of, media_of
from farhand.model.ref import Ref, as_payload, from_payload


def test_a_media_type_is_found_by_its_name() -> None:
    for media in Media:
        again = {Media.OPEN_JSON: Media.JSON, Media.NONE: Media.BYTES}.get(media, media)
        assert media_of(format_of(media)) == again
    assert media_of("image/png") == Media.BYTES


def test_a_chunk_is_charged_its_size_and_a_ref_what_all_refs_cost() -> None:
    assert chunk_cost(Payload(b"12345", Media.BYTES)) == 5 + CHUNK_OVERHEAD
    assert chunk_cost(Payload(b"a ref", Media.REF)) == REF_COST
    assert charged(5, LOCAL) == REF_COST


def test_a_ref_stands_for_a_payload() -> None:
    ref = Ref(id="a", size=7, token="abc")
    payload = as_payload(ref)
    assert payload.media == Media.REF
    assert from_payload(payload) == ref
    with pytest.raises(InvalidArguments, match="no ref"):
        from_payload(Payload(payload.data, Media.BYTES))
    for broken in (b"", b"\x81\xa2id", b"\x81\xa2id\xa3../", payload.data[:-1]):
        with pytest.raises(InvalidArguments):
            from_payload(Payload(broken, Media.REF))
