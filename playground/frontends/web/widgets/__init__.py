"""Widgets that several panels have: a table that is read again and again, a terminal."""
