"""A network as a tree of text, and as a drawing."""
