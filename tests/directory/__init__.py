"""Tests of the local copy of the directory."""
