"""Fetch rows from a database beside a worker and insert them into a PostgreSQL of one's own, in constant memory.

Start a worker beside the database that has a table `items` with the columns `id` and `name`:

    farhand sql-worker --group shop --database shop=sqlite:///shop.db

Run it with `python examples/into_postgres.py [HOST:PORT] [postgresql://USER@HOST/DATABASE]`; it needs `farhand[sql]`.
"""

import sys

import psycopg

import farhand

QUERY = "select id, name from items where id >= :first order by id"
INSERT = "insert into fetched_items (id, name) values (%s, %s) on conflict (id) do update set name = excluded.name"


def main(address: str, url: str) -> None:
    """Copy what is there; what was copied before is brought up to date."""
    with farhand.Client(address) as hub, psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("create table if not exists fetched_items (id bigint primary key, name text)")
        args = {"database": "shop", "query": QUERY, "params": {"first": 1}}
        answer = hub.stream("sql.query", args, group="shop")
        fetched = 0
        for chunk in answer:
            if rows := chunk.get("rows"):  # the first chunk has the columns
                cursor.executemany(INSERT, rows)
                fetched += len(rows)
        connection.commit()  # all or nothing: an answer that breaks off raises before this
        print(f"{fetched:,} rows fetched and inserted")


if __name__ == "__main__":
    here = sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"
    main(here, sys.argv[2] if len(sys.argv) > 2 else "postgresql://localhost/postgres")
