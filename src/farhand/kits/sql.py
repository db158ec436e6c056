"""The handlers of a worker beside databases, as an app: serve it, or include it in an app of your own.

app.include(sql_app({"shop": "postgresql://reader@localhost/shop"}))
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from farhand.sql import Ask, Databases, QueryStopped, querying
from farhand.worker import App, Context
from farhand.worker.context import Stop


def sql_app(databases: Mapping[str, str] | Databases) -> App:
    """An app that serves `sql.query` and `sql.tables` for these databases: URLs by name, or `farhand.sql.Databases`,
    which take limits too.

    Raises:
        InvalidArguments: a name or URL is none.
        Unavailable: a driver isn't installed.
    """
    asked = databases if isinstance(databases, Databases) else Databases(databases)
    app = App()

    @app.handler(name="sql.query")
    def query(
        ctx: Context,
        query: str,
        database: str = "",
        params: list[Any] | dict[str, Any] | None = None,
        max_rows: int | None = None,
        chunk_rows: int = querying.CHUNK_ROWS,
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """Ask a database, read-only, and stream the answer.

        The first chunk is {"columns": [{"name", "type", "size", "scale"}]}, the others {"rows": [[…], …]}; the result
        is {"rows": how many, "truncated": whether there were more}. `params` stand in for `:name`, a list for `?`.
        """
        ask = Ask(query=query, database=database, params=params, max_rows=max_rows, chunk_rows=chunk_rows)
        try:
            return (yield from querying.query(asked, ask, lambda: ctx.cancelled))
        except QueryStopped:
            raise Stop from None

    @app.handler(name="sql.tables")
    def tables(ctx: Context, database: str = "") -> list[dict[str, Any]]:
        """The tables and views of a database: {"schema", "name", "kind", "columns": [{"name", "type", "size",
        "scale", "nullable"}]}."""
        try:
            return querying.tables(asked, database, lambda: ctx.cancelled)
        except QueryStopped:
            raise Stop from None

    @app.lifespan
    def keep(state: Any) -> Generator[None, None, None]:
        yield
        asked.close()

    return app
