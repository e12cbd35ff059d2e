"""The library's end of the agent's line: its client, handles of what runs."""
