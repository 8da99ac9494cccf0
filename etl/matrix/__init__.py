"""One import for each of several merchants: who they are, their processes, and the summary."""
