"""Our own lab files: YAML that says what the Python API can, read, checked and written."""
