"""Following a packet: the answer of `lab.explain` drawn on the picture, hop by hop."""
