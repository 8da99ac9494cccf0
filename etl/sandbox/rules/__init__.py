"""What must a thing be before the sandbox keeps it?"""
