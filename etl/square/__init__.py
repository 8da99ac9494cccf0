"""Everything that knows how to speak to Square: one client, its patience and its pace."""
