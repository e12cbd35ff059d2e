"""Published ports: bytes carried between the outside and what listens on a node."""
