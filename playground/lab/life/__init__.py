"""What a lab goes through while it runs: told as events, kept, brought back, changed to a file."""
