"""How is the ledger asked questions? ``rows.parquet``: ``rows.csv`` with types, without escapes."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from etl.files.escape import unescape_column

LEDGER_FILE = "rows.parquet"
SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("customer_id", pa.string()),
        pa.field("matched_by", pa.string()),
        pa.field("codes", pa.list_(pa.string()), nullable=False),
        pa.field("detail", pa.string()),
        pa.field("duplicate_of", pa.string()),
    ]
)
# Rows of a ledger are short, so none is longer than this.
_BLOCK = 8 << 20


def write_ledger(ledger: Path, file: BinaryIO) -> None:
    """Write ``rows.csv`` as Parquet: codes are lists, and what is empty there is null here."""
    from pyarrow import csv
    from pyarrow.parquet import ParquetWriter

    reader = csv.open_csv(
        ledger,
        csv.ReadOptions(use_threads=False, block_size=_BLOCK),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(column_types=dict.fromkeys(SCHEMA.names, pa.string())),
    )
    with ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(_typed(batch))


def _typed(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = []
    for field in SCHEMA:
        texts = unescape_column(batch.column(field.name))
        if pa.types.is_list(field.type):
            codes = pc.split_pattern(texts, ";")
            columns.append(pc.if_else(pc.equal(texts, ""), pa.scalar([], field.type), codes))
        elif field.nullable:
            columns.append(pc.if_else(pc.equal(texts, ""), None, texts))
        else:
            columns.append(texts.cast(field.type))
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
