"""What Square's documents say, check by check; the same code in process and over a socket."""
