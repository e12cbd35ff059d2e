"""Exercises that differ for each student."""
