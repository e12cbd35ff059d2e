"""Declarations of a user: checked at once, pure, and knowing nothing that runs."""
