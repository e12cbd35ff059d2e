"""Labs for assistants: tools and resources by the Model Context Protocol (`playground mcp`).

An assistant, a program that a language model drives, declares, starts and examines labs by these
tools.  `tools` is the table of them; `tool_schemas` makes what an assistant is told of each of the
Python API's own signature and docstring.  `workshop` has the labs, and what may be touched of this
machine: nothing but one folder, if one is named.  `server` alone knows the protocol
(https://modelcontextprotocol.io), by the package `mcp`.

"""
