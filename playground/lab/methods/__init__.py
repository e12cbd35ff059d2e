"""Functions that `lab.lab.Lab` has as its methods, each with its docstring; they take the lab."""
