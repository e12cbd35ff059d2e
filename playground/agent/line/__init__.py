"""The line to the library: requests read, worked on, answered."""
