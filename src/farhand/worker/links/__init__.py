"""How a worker is reached, a file a way."""
