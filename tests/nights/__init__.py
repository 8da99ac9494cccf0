"""A nightly job over many virtual nights: its CRM, its seller, its model and its events."""
