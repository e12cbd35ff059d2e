"""Routing protocols of a router: links, areas, sessions and policies as data."""
