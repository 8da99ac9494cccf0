"""Tests of the client that speaks to Square."""
