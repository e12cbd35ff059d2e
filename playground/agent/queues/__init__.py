"""Queues and impairments of what leaves by an interface: set, taken away, read."""
