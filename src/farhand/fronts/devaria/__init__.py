"""Devaria's door: cached jobs for its submitters, claims for its pull runners. Translates to the hub's verbs."""
