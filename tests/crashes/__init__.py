"""Proof that an import can be killed anywhere: nothing twice, nothing lost, every row accounted."""
