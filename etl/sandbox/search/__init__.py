"""Which profiles does a list or search ask for, and how is that said in SQL?"""
