"""Content of the panels: rows, rates, pieces of text, made of what a lab has said.  Pure."""
