"""The process that holds the box's key, and how the others ask it for signatures."""
