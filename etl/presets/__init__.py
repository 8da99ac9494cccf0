"""What do other systems call the customer fields? One TOML fragment of a config per system."""
