"""Faults that the evidence shows: what is wrong, and which call mends it.  Pure."""
