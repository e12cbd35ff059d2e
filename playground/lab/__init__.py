"""A lab: brought up, changed while it runs, saved, taken down."""
