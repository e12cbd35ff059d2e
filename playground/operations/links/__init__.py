"""What can be done to links and switches, before their lab runs and while it does."""
