"""The messages of Snakepit's pools ↔ values and model nouns. No I/O. `values` has the rules by which arguments and
results travel, `messages` the requests and answers of the first generation's SnakepitBridge."""
