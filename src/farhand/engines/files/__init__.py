"""Files on this machine's disk, filling `ports.spool`."""
