"""Tokens: whoever alters a ref, or leads it elsewhere, gets nothing."""

from __future__ import annotations

import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from farhand.core import refs
from farhand.core.refs import Claims, check, check_held, check_ref, dialled, key_of, sign
from farhand.errors import InvalidArguments, PermissionDenied, RefExpired
from farhand.model.addresses import check_address
from farhand.model.ref import Ref, as_dict, from_dict, from_url
from tests.core.hostile import GOOD, HOSTILE

SECRET = bytes(range(32))
REF = Ref(id="0193-a", direct=GOOD, format="text/csv", size=7, expires=100.0)
SIGNED = sign(SECRET, REF, "w1")
CLAIMS = Claims("w1", 100.0, "text/csv", GOOD)
LETTERS = string.ascii_letters + string.digits + "-_"


def refused(id: str, token: str, secret: bytes = SECRET) -> None:
    with pytest.raises(PermissionDenied, match="not one that the hub gave out"):
        check(secret, id, token, 0.0)


def test_what_was_signed_is_told_until_its_time_is_over() -> None:
    assert replace(SIGNED, token="") == REF
    assert check_ref(SECRET, SIGNED, 99.9) == check(SECRET, REF.id, SIGNED.token, 0.0) == CLAIMS
    assert check(SECRET, "b", sign(SECRET, Ref(id="b", expires=1.0)).token, 0.0).holder == refs.SPOOLED
    for now in (100.0, 1e9, float("nan")):
        with pytest.raises(RefExpired, match="run the job again") as caught:
            check_ref(SECRET, SIGNED, now)
        assert caught.value.details == {"expired": 100.0}


def test_every_letter_of_a_token_counts() -> None:
    token = SIGNED.token
    for at, letter in enumerate(token):
        for other in (LETTERS[(LETTERS.index(letter) + 1) % 64], "", "=", "ä", "\ud800", "A" if letter != "A" else "B"):
            refused(REF.id, token[:at] + other + token[at + 1 :])
    for odd in ("", "A", token + "A", token + "==", " " + token, token[::-1], "A" * 5000, token * 2):
        refused(REF.id, odd)


def test_a_token_is_of_one_ref_and_one_secret() -> None:
    for id in ("0193-b", "", "0193-a ", "0193-A", "../0193-a", "\ud800", "0193-"):
        refused(id, SIGNED.token)
    refused(REF.id, SIGNED.token, bytes(32))
    with pytest.raises(ValueError, match="needs 32 bytes or more, not 31"):
        key_of(SECRET[:31], "w1")


def test_an_id_and_a_body_are_told_apart() -> None:
    raw = urlsafe_b64decode(SIGNED.token + "==")
    signature, body = raw[:32], raw[32:]
    moved = urlsafe_b64encode(signature + body[1:]).rstrip(b"=").decode()
    refused(REF.id + chr(body[0]), moved)


@given(some.binary(max_size=200))
def test_what_is_no_token_is_refused(raw: bytes) -> None:
    refused(REF.id, urlsafe_b64encode(raw).rstrip(b"=").decode())


@given(some.text(max_size=200))
def test_what_is_no_text_of_a_token_is_refused(text: str) -> None:
    refused(REF.id, text)


def test_nothing_in_a_ref_can_be_altered_that_its_token_says() -> None:
    for altered in (
        replace(SIGNED, expires=1e9),
        replace(SIGNED, format="text/html"),
        replace(SIGNED, direct="worker.example:7001"),
        replace(SIGNED, direct=""),
        replace(SIGNED, id="0193-b"),
        replace(SIGNED, token=""),
    ):
        with pytest.raises(PermissionDenied):
            check_ref(SECRET, altered, 0.0)
    longer = urlsafe_b64encode(urlsafe_b64decode(SIGNED.token + "==")[:32] + msgspec.msgpack.encode(["w1", 1e9, "a/b"]))
    refused(REF.id, longer.rstrip(b"=").decode())


def test_a_holder_checks_its_own_and_makes_none_in_another_s_name() -> None:
    key = key_of(SECRET, "w1")
    assert check_held(key, "w1", REF.id, SIGNED.token, 0.0) == CLAIMS
    with pytest.raises(RefExpired):
        check_held(key, "w1", REF.id, SIGNED.token, 100.0)
    others = sign(SECRET, REF, "w2")
    for holder, wrong in (("w1", others.token), ("w2", others.token), ("w2", SIGNED.token), ("w1", "x")):
        with pytest.raises(PermissionDenied):
            check_held(key, holder, REF.id, wrong, 0.0)
    body = msgspec.msgpack.encode(Claims("w2", 1e9, "text/csv", GOOD))
    forged = urlsafe_b64encode(refs._signature(key, REF.id, body) + body).rstrip(b"=").decode()
    refused(REF.id, forged)


def test_a_holder_has_a_name() -> None:
    with pytest.raises(InvalidArguments, match="holder name"):
        sign(SECRET, REF, "../w1")


def test_the_address_that_was_advertised_and_signed_is_dialled() -> None:
    assert dialled(GOOD, CLAIMS, {GOOD}) == GOOD


def test_no_other_address_is_ever_dialled() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 200
    accepted = []
    for uri in HOSTILE:
        for claims, advertised in (
            (CLAIMS, {GOOD}),
            (CLAIMS, {GOOD, uri}),
            (replace(CLAIMS, direct=uri), {GOOD}),
            (replace(CLAIMS, direct=""), {GOOD, uri}),
        ):
            try:
                accepted.append(dialled(uri, claims, advertised))
            except PermissionDenied:
                continue
    assert accepted == []


def test_what_is_advertised_is_dialled_only_if_it_is_plainly_written() -> None:
    accepted = []
    for uri in HOSTILE:
        try:
            accepted.append(dialled(uri, replace(CLAIMS, direct=uri), {uri}))
        except PermissionDenied:
            continue
    assert len(accepted) < 40
    assert all(check_address(uri) for uri in accepted)


def test_no_other_address_gets_through_a_ref() -> None:
    fields, accepted = as_dict(SIGNED), []
    for uri in HOSTILE:
        for altered in ({**fields, "direct": uri}, {**fields, "uri": uri, "direct": uri}):
            try:
                accepted.append(check_ref(SECRET, from_dict(altered), 0.0))
            except (InvalidArguments, PermissionDenied):
                continue
        try:
            accepted.append(check_ref(SECRET, from_url(f"farhand:///{REF.id}?direct={uri}&token={SIGNED.token}"), 0.0))
        except (InvalidArguments, PermissionDenied):
            continue
    assert accepted == []
