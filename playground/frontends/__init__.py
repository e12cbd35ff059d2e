"""Ways in for people: command line, notebooks, pytest, doctor, demo."""
