"""No password is shown, wherever in a URL it is, and whatever is in it."""

from __future__ import annotations

import pytest

from farhand.model.urls import shown


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://ann:secret@db:5432/jobs", "postgresql://ann:***@db:5432/jobs"),
        ("postgresql://ann:se@c/r?e#t@db/jobs", "postgresql://ann:***@db/jobs"),
        ("postgresql://:secret@db", "postgresql://:***@db"),
        ("postgresql://ann@db/jobs?schema=a&password=secret&x=1", "postgresql://ann@db/jobs?schema=a&password=***&x=1"),
        ("postgresql://db/?sslpassword=secret", "postgresql://db/?sslpassword=***"),
        ("postgresql://ann@db:5432/jobs", "postgresql://ann@db:5432/jobs"),
        (
            "s3://b/p?access_key_id=ann&secret_access_key=se/cr+et&session_token=secret",
            "s3://b/p?access_key_id=ann&secret_access_key=***&session_token=***",
        ),
        ("sqlite:///farhand.db", "sqlite:///farhand.db"),
        ("memory:", "memory:"),
    ],
)
def test_passwords_are_hidden(url: str, wanted: str) -> None:
    assert shown(url) == wanted
