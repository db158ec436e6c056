"""Seams, as `typing.Protocol` of at most 12 methods each; the engines that fill them are in `engines/`."""
