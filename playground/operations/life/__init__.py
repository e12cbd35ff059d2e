"""The life of a node: its power, what happens to it, what it was."""
