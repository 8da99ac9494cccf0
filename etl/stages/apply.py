"""Which plan is to be carried out, may it be, and which of its rows moved since it was made?

A plan is the journal of a run of ``square-etl plan``; ``plan.csv`` shows it to people. What was
planned for a row stands as long as the same verdict comes out for it, on a profile of the same
version. Only the rows for which that is not so are planned anew.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from etl.config import APART, Config
from etl.customers import codes
from etl.customers.problems import Problem
from etl.directory.index import Index
from etl.errors import ConfigError, StateError
from etl.journal.journal import Journal
from etl.journal.plan import Basis
from etl.journal.records import Run
from etl.journal.state import JOURNAL, State
from etl.reports.planned import PLAN_FILE
from etl.reports.tables import write_plan
from etl.stages.plan import basis, in_pages, version_of


def find_plan(named: str, state: State) -> tuple[Run, Path]:
    """Return the run of a plan and its folder; it is named by its id, folder or plan.csv.

    Raises StateError when there is none, or when the plan.csv is not what was planned: what is
    carried out stands in the journal, so an edit would be lost silently.
    """
    path = Path(named)
    folder = path if path.is_dir() else path.parent if path.is_file() else state.run_folder(named)
    if path.exists() and not (folder / JOURNAL).is_file():
        raise StateError(f"{named} lies beside no journal: name the plan by the id of its run")
    with closing(Journal.open(folder / JOURNAL)) as journal:
        run, stage = journal.run(), journal.stage
        if run.command != "plan" or stage != "done":
            kind = "is not complete" if run.command == "plan" else f"is of {run.command}"
            raise StateError(f"run {run.run_id} {kind}: only a complete run of plan can be applied")
        if path.is_file() and path.name != JOURNAL and _differs(journal, path):
            raise StateError(
                f"{path} is not the {PLAN_FILE} that run {run.run_id} wrote. Changes in it are not "
                "carried out: correct the source or the config and plan again, or apply "
                f"{run.run_id} as it was planned."
            )
    return run, folder


def application(run_id: str, state: State) -> tuple[Path, bool] | None:
    """Return the run that carries out this plan, if one began, and whether it has finished.

    One that was taken back does not count: the plan may be carried out again.
    """
    runs = [(folder, journal.facts()) for folder, journal in state.journals()]
    taken_back = {facts["undoes"] for _, facts in runs if facts["command"] == "undo"}
    for folder, facts in runs:
        if facts.get("applies") == run_id and facts["run_id"] not in taken_back:
            return folder, "reported" in facts
    return None


def refuse_elsewhere(plan: Run, target: str, base_url: str) -> None:
    """Raise ConfigError when a plan was made for another Square than this."""
    if (target, base_url) != (plan.target, plan.base_url):
        raise ConfigError(
            f"plan {plan.run_id} was made for target {plan.target} ({plan.base_url}), not for "
            f"{target} ({base_url}). Plan again for that one."
        )


def refuse_other_settings(plan: Run, config: Config) -> None:
    """Raise ConfigError when settings that say what is written are not those of the plan."""
    planned, given = (
        config.model_dump(
            mode="json",
            exclude={
                **dict.fromkeys(APART, True),
                "target": {"token_file", "keyring", "environment"},
            },
        )
        for config in (Config.model_validate_json(plan.config), config)
    )
    if other := sorted(section for section in planned if planned[section] != given[section]):
        raise ConfigError(
            f"[{other[0]}] is not as it was when run {plan.run_id} planned. Only [limits] and what "
            "watches a run may change before a plan is applied: plan again."
        )


def withdraw_moved(journal: Journal, index: Index) -> None:
    """Undo the plan of the rows for which something else comes out now than when it was made.

    The caller holds a transaction.
    """
    for verdicts in in_pages(index.decided()):
        planned = journal.plan.reconsidered(verdicts[0]["row"], verdicts[-1]["row"])
        moved = [
            (verdict, planned[verdict["row"]])
            for verdict in verdicts
            if verdict["row"] in planned and basis(verdict) != planned[verdict["row"]].digest
        ]
        journal.plan.moved(verdict["row"] for verdict, _ in moved)
        journal.add_problems(_told(verdict, was) for verdict, was in moved)
    journal.plan.withdraw_moved()


def _told(verdict: dict[str, Any], was: Basis) -> Problem:
    code = codes.BY_NAME[_why(verdict, was)]
    return Problem(verdict["row"], "note", code.name, "", code.meaning, code.remedy)


def _why(verdict: dict[str, Any], was: Basis) -> str:
    found = verdict["customer_id"]
    if was.customer_id:
        if found != was.customer_id:
            return "PROFILE_GONE"
        if verdict["action"] == "match" and version_of(verdict) != was.version:
            return "PROFILE_CHANGED"
    elif found and was.outcome in ("pending", "duplicate"):
        return "PROFILE_APPEARED"
    return "MATCHED_ANEW"


def _differs(journal: Journal, path: Path) -> bool:
    """Is a file anything else than what is planned, written out?"""
    with tempfile.TemporaryFile(dir=path.parent) as fresh, open(path, "rb") as file:
        write_plan(journal, fresh)
        fresh.seek(0)
        ours, theirs = (hashlib.file_digest(each, "sha256").digest() for each in (fresh, file))
        return ours != theirs
