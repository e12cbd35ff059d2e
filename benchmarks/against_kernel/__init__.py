"""Measure labs against the least that the kernel, an engine or another tool asks for the same.

Part of ``scripts/bench``: the section "Against the kernel".  `measured` has the shapes of
a row and how rows are measured and written, `table` all of them; each other module measures a few.

"""
