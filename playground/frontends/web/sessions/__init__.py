"""Terminals and captures that run for panels, and end with them."""
