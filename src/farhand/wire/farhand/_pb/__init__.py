"""Generated from proto/farhand/v1 by `make gen`; not to be edited."""
