"""Bulk import and export of customer profiles for Square's Customer Directory.

The names below are for scripts; they load what they need when they are first used, so that the
command line starts quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.api import (
        apply_plan,
        export_customers,
        import_customers,
        import_matrix,
        load_config,
        plan_import,
        read_directory,
        read_ledger,
        validate,
    )
    from etl.config import Config
    from etl.errors import EtlError

__all__ = [
    "Config",
    "EtlError",
    "apply_plan",
    "export_customers",
    "import_customers",
    "import_matrix",
    "load_config",
    "plan_import",
    "read_directory",
    "read_ledger",
    "validate",
]

_ROOMS = {"Config": "etl.config", "EtlError": "etl.errors"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'etl' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS.get(name, "etl.api")), name)
