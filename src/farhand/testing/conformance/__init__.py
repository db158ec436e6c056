"""Suites that every engine of a port, and every front, must pass: subclass one in a test, and give it a fixture."""
