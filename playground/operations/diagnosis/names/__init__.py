"""How a name is found in a lab's tree of zones: name servers asked one after the other."""
