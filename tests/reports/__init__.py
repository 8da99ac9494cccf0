"""What came of a run, told from its journal."""
