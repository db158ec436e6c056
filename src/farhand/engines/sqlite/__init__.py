"""SQLite, by apsw: the default store. One file, one writing thread, one fsync for all that waits."""
