"""What goes wrong on purpose?

``plan`` what and when, ``spoiling`` what arrives of an answer, ``others`` what somebody else does
meanwhile.
"""
