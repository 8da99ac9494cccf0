"""The journey of a row, one verb per file: batches in, batches out."""
