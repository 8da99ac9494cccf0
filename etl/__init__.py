"""Bulk import and export of customer profiles for Square's Customer Directory."""
