"""PostgreSQL, by asyncpg: the store for more than one hub.

The database is the only authority: a hub that has a lease on paper but not in its row has none. SQL lives in
`queries/` and `migrations/`, never in Python."""

try:
    import asyncpg as asyncpg
except ImportError as missing:
    raise ImportError("a postgresql:// store needs asyncpg: pip install 'farhand[postgres]'") from missing
