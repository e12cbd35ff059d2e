"""Services that a node runs for the links that it is at."""
