"""Files on disk: how they are recognised, read as text, and written whole or not at all."""
