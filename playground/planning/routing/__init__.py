"""Routes of a plan: static ones, those said by hand, and the settings of routing daemons."""
