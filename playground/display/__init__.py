"""Output for people: tables, plots, progress, text made safe to print."""
