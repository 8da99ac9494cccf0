"""Where do batches run?"""
