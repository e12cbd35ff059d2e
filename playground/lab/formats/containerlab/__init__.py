"""Topologies of containerlab, read."""
