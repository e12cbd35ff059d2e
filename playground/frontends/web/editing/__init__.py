"""Editing a lab on its page: forms, YAML and Python that say the same, and what is applied."""
