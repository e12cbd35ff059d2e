"""Nodes from outside: entering them, commands, files, users, settings."""
