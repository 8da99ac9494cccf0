"""What does the seller's directory hold? A local copy of what a run needs to know of it."""
