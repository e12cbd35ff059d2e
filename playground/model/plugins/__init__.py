"""Declarations that other packages add."""
