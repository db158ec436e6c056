"""What a query can end with, beside its rows. None of them ever holds a password."""

from __future__ import annotations


class SqlError(Exception):
    """A query was not answered; the message says why and what to do."""


class DatabaseUnknown(SqlError):
    """This worker has no database of that name; the message has those it has."""


class QueryRefused(SqlError):
    """The statement is none that only reads, or more than one. It was not sent to the database, or refused there."""


class BadParameters(SqlError):
    """The parameters don't fit the placeholders of the statement. It was not sent."""


class QueryFailed(SqlError):
    """The database refused the statement or gave up; the message is its own, with its code."""


class QueryTimedOut(SqlError):
    """The query took longer than this worker allows, and was ended at the database."""


class QueryStopped(SqlError):
    """Whoever asked wants the answer no more, so the query was ended at the database."""


class DatabaseAway(SqlError):
    """The database can't be reached, or went away meanwhile. Ask again once it is back."""
