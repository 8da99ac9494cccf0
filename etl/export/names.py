"""What can an export be asked for by name?

Loads nothing: the command line lists these in its help.
"""

# What may stand behind --with.
BESIDE = ("groups", "segments", "custom-attributes", "cards", "gift-cards", "orders", "payments")
# The systems whose headers can be written.
SYSTEMS = ("square-dashboard", "shopify", "hubspot", "mailchimp", "salesforce")
