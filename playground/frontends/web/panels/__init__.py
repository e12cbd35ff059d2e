"""Panels: what opens when one clicks a node or a link, a module each."""
