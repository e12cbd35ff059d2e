"""Packets: captured, taken apart, shown as tables and ladders, saved."""
