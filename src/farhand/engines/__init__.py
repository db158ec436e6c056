"""Technologies that fill the ports, one folder each, files named for the port they fill.

They see ports and model only."""
