"""What makes a worker a database agent: databases by name, and queries that can read and do nothing else.

`databases` has who is asked, `querying` how an answer is streamed, `statements` and `lexing` what may be asked,
`watching` the timer outside of the database that ends what takes too long, and `dialects` what differs, a file a
database system.
Nothing here knows a worker, a hub or a client; `farhand.kits.sql` makes an app of it.
"""

from __future__ import annotations

try:
    import sqlalchemy  # noqa: F401
except ImportError as missing:
    raise ImportError("a worker beside databases needs SQLAlchemy: pip install 'farhand[sql]'") from missing

from farhand.sql.databases import Databases, Limits
from farhand.sql.errors import (
    BadParameters,
    DatabaseAway,
    DatabaseUnknown,
    QueryFailed,
    QueryRefused,
    QueryStopped,
    QueryTimedOut,
    SqlError,
)
from farhand.sql.querying import Ask

__all__ = [
    "Ask",
    "BadParameters",
    "DatabaseAway",
    "DatabaseUnknown",
    "Databases",
    "Limits",
    "QueryFailed",
    "QueryRefused",
    "QueryStopped",
    "QueryTimedOut",
    "SqlError",
]
