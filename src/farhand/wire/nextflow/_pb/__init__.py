"""Generated from proto/foreign by `make gen`, in a descriptor pool of its own; not to be edited."""
