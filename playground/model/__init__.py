"""What a user declares: checked at once, pure, and knowing nothing that runs."""
