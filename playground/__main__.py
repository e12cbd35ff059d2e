"""``python -m playground``: the command line, where ``playground`` is not on the path."""

from playground.frontends.cli import main

if __name__ == "__main__":
    main(prog_name="python -m playground")
