"""Labs that are only drawn: a file, a page on which it is drawn, and the way to a lab that runs."""
