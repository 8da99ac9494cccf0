"""What does each endpoint do? One module per API, named as Square names it."""
