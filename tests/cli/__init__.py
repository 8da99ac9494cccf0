"""The command line: exit codes, words, streams."""
