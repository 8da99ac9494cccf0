"""Exports: complete, each customer once, and nothing that a spreadsheet would run."""
