"""What square-etl promises, by room, and the journeys through all of it."""
