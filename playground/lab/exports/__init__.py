"""Labs in the words of other tools: files for emulators, and pictures as text."""
