"""What does the sandbox remember?

``database`` opens the one file; every other module has the tables and statements of one thing.
"""

from etl.sandbox.store.database import SandboxFileError, Store

__all__ = ["SandboxFileError", "Store"]
