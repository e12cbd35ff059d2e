"""Where people come in: command line, notebooks, pytest, doctor, demo."""
