"""The command line: parse, build one config, call one function, print. Exit codes live here."""

from __future__ import annotations

import os

import click

from etl.cli.doctor import doctor_command
from etl.cli.export import export_command
from etl.cli.imports import apply_command, import_command, plan_command, validate_command
from etl.cli.init import init_command
from etl.cli.profile import profile_command
from etl.cli.retention import erase_command, purge_command
from etl.cli.runs import runs
from etl.cli.sandbox import sandbox

# Before pyarrow is loaded. Its own allocator gives memory back to the system between two batches,
# only to ask for it again: a tenth of the time of a large file, and a third more memory.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# Nor does anything here multiply matrices: numpy would keep threads for that.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="square-etl")
def main() -> None:
    """Bring customers into Square's Customer Directory and out of it, with every row accounted for.

    Everything runs against an embedded local Square unless --target says otherwise, so nothing
    you try here touches a real account.

    \b
    Exit codes: 0 every row is loaded or deliberately left alone   3 finished, some rows need you
                2 usage, config or source; nothing was written     4 incomplete: resume it
                5 another run is at work   6 a brake stopped it    1 a bug in square-etl
    """


main.add_command(init_command)
main.add_command(import_command)
main.add_command(plan_command)
main.add_command(apply_command)
main.add_command(validate_command)
main.add_command(profile_command)
main.add_command(export_command)
main.add_command(doctor_command)
main.add_command(runs)
runs.add_command(purge_command)
runs.add_command(erase_command)
main.add_command(sandbox)
