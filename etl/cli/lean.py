"""What does a command do without, though libraries would have it?

Imported before anything that imports pyarrow.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec


class _NotNow(MetaPathFinder):
    """Finds no pandas, whoever asks."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        """Raise for pandas; of others nothing is known here."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas takes a quarter of a second to load", name=name)
        return None


def _without_pandas() -> None:
    """Let pyarrow do without pandas, which it looks for when it makes its first array.

    Commands have no frames. Whoever has (``etl.api``) loads pandas first, or later: pyarrow takes
    it as soon as it needs it.
    """
    import pyarrow as pa

    hidden = _NotNow()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([""])
    finally:
        sys.meta_path.remove(hidden)


# Parameters of the GNU C library's allocator (mallopt(3)), and the most that the second may be.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_APART = 32 << 20


def _without_returning_memory() -> None:
    """Let what one batch frees wait for the next, instead of going to the system and back.

    Being given megabytes anew, page by page, is a twentieth of a validation.
    """
    # Other C libraries have no such call.
    with contextlib.suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _MOST_APART)
        library.mallopt(_TRIM_THRESHOLD, 4 * _MOST_APART)


if "pandas" not in sys.modules:
    _without_pandas()
if sys.platform == "linux":
    _without_returning_memory()
