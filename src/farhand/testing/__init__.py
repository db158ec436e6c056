"""For tests, ours and yours: a simulated fleet that drives the core by seed."""
