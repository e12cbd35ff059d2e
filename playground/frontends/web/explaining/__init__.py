"""Asking what becomes of a packet, from a page: who may have which one sent."""
