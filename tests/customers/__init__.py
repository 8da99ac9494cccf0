"""What a customer is: forms, rules, identity, bodies."""
