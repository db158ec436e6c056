"""What differs between database systems, a file a system: each is a `farhand.sql.dialects.base.Dialect`."""
