"""Several merchants at a time."""
