"""What a customer is: fields, canonical forms, rules, identity, bodies. No input or output here."""
