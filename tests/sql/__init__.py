"""farhand.sql, on real databases."""
