"""What is durable: one journal for each run, one ledger for the state folder, one lock."""
