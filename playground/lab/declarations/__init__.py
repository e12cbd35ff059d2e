"""Declarations of a lab as data: gathered from its nodes, and declared anew."""
