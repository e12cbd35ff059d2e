"""How things are shown to people: tables, plots, progress, text made safe to print."""
