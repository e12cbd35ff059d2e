"""Programs of the user's own that run on a node: controlled, and their logs read."""
