"""Measurements between running nodes: the round trip while the network is busy."""
