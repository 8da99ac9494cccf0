"""Tests of who hears of a run beside the person at the terminal."""
