"""All that can be done with the parts of a running lab."""
