"""The link that Snakepit's pools call."""
