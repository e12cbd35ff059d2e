"""Daemons of routers that are no part of FRR."""
