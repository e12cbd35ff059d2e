"""Machines as containers of a Docker engine."""
