"""Where does everything lie in the state folder, and which runs are in it?"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etl.errors import StateError
from etl.journal.journal import Journal

JOURNAL = "journal.sqlite"
_COLLECTED = "collected.sqlite"

# The commands whose runs write to Square.
WRITING = ("import", "undo")


@dataclass(frozen=True, slots=True)
class State:
    """The folder that holds runs, ledger, lock and the local sandbox; made private on first use."""

    folder: Path

    @property
    def runs(self) -> Path:
        """The folder of the runs, one folder each, named for the run."""
        return self.folder / "runs"

    @property
    def ledger(self) -> Path:
        """The memory all runs share."""
        return self.folder / "ledger.sqlite"

    @property
    def sandbox(self) -> Path:
        """The local Square of the default target."""
        return self.folder / "sandbox.sqlite"

    def directory(self, merchant_id: str, base_url: str) -> Path:
        """Where the copy of a seller's directory lies that stays between runs."""
        # An id comes from outside: it does not name files.
        name = hashlib.sha256(f"{base_url} {merchant_id}".encode()).hexdigest()[:16]
        return self.folder / "directory" / f"{name}.duckdb"

    def export(self, wanted: str, *, increments: bool) -> Path:
        """Return where the customers of an export are collected, in a folder made for it.

        ``wanted`` tells it from others; ``increments`` stay between exports.
        """
        name = hashlib.sha256(wanted.encode()).hexdigest()[:16]
        folder = self.folder / ("increments" if increments else "exports") / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / _COLLECTED

    def exports(self) -> list[Path]:
        """Return where the customers of exports are collected that do not stay."""
        return [*(self.folder / "exports").glob(f"*/{_COLLECTED}")]

    def directories(self) -> list[Path]:
        """Return the copies of directories that stay between runs."""
        return [*(self.folder / "directory").glob("*.duckdb")]

    def collections(self) -> list[Path]:
        """Return where the customers of exports are collected."""
        return [*self.exports(), *(self.folder / "increments").glob(f"*/{_COLLECTED}")]

    @property
    def erased_key(self) -> Path:
        """The key of the digests by which erased people are known."""
        return self.folder / "erased.key"

    @property
    def erasing(self) -> Path:
        """Whom the erasure that is under way is about."""
        return self.folder / "erasing.json"

    @property
    def mask_key(self) -> Path:
        """The key that masks and samples of exports are made with."""
        return self.folder / "mask.key"

    def merchant(self, name: str) -> State:
        """Return the state of one of several merchants, a folder like this one."""
        return State(self.merchants / name)

    @property
    def merchants(self) -> Path:
        """The folder with the states of several merchants."""
        return self.folder / "merchants"

    @property
    def matrix(self) -> Path:
        """What became of the last import for several merchants."""
        return self.folder / "matrix.json"

    def prepare(self) -> None:
        """Make the folder, readable by its owner alone."""
        try:
            self.runs.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise StateError(
                f"cannot use the state folder {str(self.folder)!r}: {reason}. "
                "Name another with --state-dir."
            ) from error

    def begin(self, run_id: str, elsewhere: Path | None) -> Path:
        """Make the folder of a new run, here or ``elsewhere`` with a link to it here."""
        folder = self.runs / run_id
        if elsewhere is None:
            folder.mkdir(mode=0o700)
            return folder
        if (elsewhere / JOURNAL).exists():
            raise StateError(
                f"{elsewhere} holds a run already: resume it, or name an empty folder."
            )
        try:
            elsewhere.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"cannot use {elsewhere} for the run: {error.strerror}") from error
        if elsewhere.stat().st_mode & 0o077:
            raise StateError(
                f"others can look into {elsewhere}: chmod 700 it, or name a new folder"
            )
        folder.symlink_to(elsewhere.resolve(), target_is_directory=True)
        return folder

    def discard(self, run_id: str) -> None:
        """Remove a run that never began, or that nothing can go on with."""
        folder = self.runs / run_id
        if not folder.is_symlink():
            shutil.rmtree(folder)
            return
        for file in folder.glob(f"{JOURNAL}*"):
            file.unlink()
        shutil.rmtree(folder / copies(run_id), ignore_errors=True)
        folder.unlink()

    def remove(self, run_id: str, artifacts: Iterable[str]) -> None:
        """Remove a run with its ``artifacts``; of a folder elsewhere nothing but these."""
        folder = self.runs / run_id
        if folder.is_symlink():
            for name in artifacts:
                (folder / name).unlink(missing_ok=True)
        self.discard(run_id)

    def run_folder(self, run_id: str) -> Path:
        """Return the folder of a run named by its id or an unambiguous beginning of it.

        Raises StateError when there is no such run, or several.
        """
        found = [folder for folder in self._folders() if folder.name.startswith(run_id)]
        exact = [folder for folder in found if folder.name == run_id]
        if len(exact or found) != 1:
            many = ", ".join(folder.name for folder in found)
            raise StateError(
                f"there is no run {run_id} in {self.folder}: see square-etl runs list"
                if not found
                else f"several runs begin with {run_id}: {many}"
            )
        return (exact or found)[0]

    def journals(self) -> Iterator[tuple[Path, Journal]]:
        """Yield every run's folder and opened journal, newest first; each is closed afterwards."""
        for folder in self._folders():
            if (folder / JOURNAL).is_file():
                try:
                    journal = Journal.open(folder / JOURNAL)
                except StateError as error:
                    raise StateError(
                        f"{error}. What it sent is not known, so nothing else is sent before this "
                        f"is cleared up: restore the file, or move {folder} out of the way."
                    ) from error
                try:
                    yield folder, journal
                finally:
                    journal.close()

    def unfinished(self, **facts: str) -> Iterator[Path]:
        """Yield the folders of runs that write and have no final report, newest first.

        Only those with these facts, and none that was undone: nothing goes on with that.
        """
        for folder, journal in self.journals():
            found = journal.facts()
            if found["command"] not in WRITING or not facts.items() <= found.items():
                continue
            if "reported" in found or "undone" in found:
                continue
            if found["stage"] == "done" and _told(folder / "report.json"):
                continue  # killed between its last artifact and the note of it
            yield folder

    def unreachable(self) -> list[str]:
        """Return the runs that lie elsewhere, in a folder that is not there now."""
        if not self.runs.is_dir():
            return []
        return sorted(path.name for path in self.runs.iterdir() if not path.exists())

    def _folders(self) -> list[Path]:
        if not self.runs.is_dir():
            return []
        return sorted((path for path in self.runs.iterdir() if path.is_dir()), reverse=True)


def copies(run_id: str) -> str:
    """Return the name of the folder of what a run had to copy before it could read it.

    No other: the folder of a run may be anybody's, with their own files in it.
    """
    return f"sources-{run_id}"


def _told(report: Path) -> bool:
    return report.is_file() and b'"status": "finished"' in report.read_bytes()
