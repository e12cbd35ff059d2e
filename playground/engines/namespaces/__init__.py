"""Machines as bare Linux namespaces."""
