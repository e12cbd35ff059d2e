"""Calls of the kernel and its filters, which Python's standard library lacks."""
