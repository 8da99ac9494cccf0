"""From the directory to a file: asked, collected, certified, shaped, written.

``wanted`` and ``names``: what is asked for. ``windows``, ``paging`` and ``collect``: how all of it
is read, each profile once; ``collected``: where it lies meanwhile. ``beside``: what lies beside
profiles. ``table``: profiles as columns; ``shape``: which rows and columns, masked or not.
``write``: files; ``manifest``: the proof.
"""
