"""Checks that stand in files: other tools' words for what should be true of a lab."""
