"""URLs as they may be shown."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"(?<=://)([^:@/?#]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"(?<=[?&])([a-z_]*(?:password|secret_access_key|session_token)=)[^&#]*", re.IGNORECASE)
HIDDEN = "***"


def shown(url: str) -> str:
    """`url` with each password and secret key in it as ``***``. Where it can't be told where a password ends, more
    is hidden."""
    return _PARAMETER.sub(rf"\g<1>{HIDDEN}", _USER_INFO.sub(rf"\g<1>:{HIDDEN}@", url))
