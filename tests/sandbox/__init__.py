"""Tests of the local Square."""
