"""Suites that every engine of a port must pass. Subclass one in a test module and give it a fixture."""
