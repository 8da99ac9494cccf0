"""What does an operator read at the end of a run? Counts, reasons, and the next command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.cli.options import apply_command, resume_command
from etl.customers import codes
from etl.customers.cells import for_screen

MEANING = {
    "created": "new profiles",
    "updated": "profiles changed",
    "unchanged": "already as the file says",
    "duplicate": "folded into another row",
    "skipped": "left out by a rule",
    "review": "a person has to decide",
    "rejected": "Square would refuse them",
    "failed": "Square refused them",
    "unknown": "sent, result not known yet",
    "pending": "not attempted",
}
# What the outcomes of an undo say of the customers that its run wrote to.
UNDONE = {
    "updated": "put back as before the run",
    "deleted": "created by the run, and deleted",
    "unchanged": "nothing (more) to take back",
    "conflict": "changed since: left as they are",
    "failed": "Square refused to take it back",
    "unknown": "sent, result not known yet",
    "pending": "not attempted",
}
_ALWAYS = ("created", "updated", "unchanged", "rejected")
_BAR = 30
_REASONS = 6
_UNUSED = 30


def text(report: dict[str, Any], folder: Path, state_dir: Path) -> str:
    """Return the printed summary of a report; ``folder`` holds the artifacts."""
    return "\n".join(_lines(report, folder, state_dir))


def _lines(report: dict[str, Any], folder: Path, state_dir: Path) -> Iterator[str]:
    rows = report["rows"]
    yield f"run {report['run_id']}: {report['status']} in {_seconds(report)}"
    if report["undoes"]:
        yield from _undo(report, folder, state_dir)
        return
    if report["amends"]:
        yield f"  amends run {report['amends']}: its ledger and report tell these outcomes"
    if report["applies"]:
        moved = f"{report['replanned']:,} rows moved since then and were planned anew"
        yield f"  carries out the plan of run {report['applies']}; {moved}"
    for run_id, outcomes in report["amended"].items():
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())
        yield f"  amended by run {run_id}: {told}"
    for source in report["sources"]:
        for note in source["notes"]:
            yield f"  {source['path']}: {note}"
        if unused := source["unused_columns"]:
            shown = for_screen(unused[:_UNUSED])
            more = f" and {len(unused) - _UNUSED} more" if len(unused) > _UNUSED else ""
            yield f"  {source['path']}: columns not used: {shown}{more}"
    yield ""
    width = max(len(f"{rows['read']:,}"), 5)
    for outcome, meaning in MEANING.items():
        count = rows[outcome]
        if count or (report["command"] == "import" and outcome in _ALWAYS):
            bar = "█" * max(round(_BAR * count / max(rows["read"], 1)), 1 if count else 0)
            if outcome == "pending" and report["command"] == "validate":
                meaning = "acceptable to Square"
            yield f"  {outcome:<10}{count:>{width},}  {meaning:<28}{bar}".rstrip()
    verdict = "every row is accounted for" if report["balanced"] else "THE SUM IS WRONG"
    yield f"  {'= read':<10}{rows['read']:>{width},}  {verdict}"
    for found in report["unusual"]:
        yield f"  unusual: {found['told']}"
    if report["command"] == "plan":
        planned = report["planned"]
        yield (
            f"  an import would create {planned['creates']:,} profiles and update "
            f"{planned['updates']:,}, clearing {planned['fields_cleared']:,} fields"
        )
    yield from _beside(report)
    if report["command"] == "plan":
        count = sum(report["planned"]["calls"].values())
        yield f"  which takes {count:,} calls, about {_time(report['planned']['seconds'])}"
    yield from _reasons(report)
    yield ""
    if report["command"] == "import":
        verified = report["verified"]
        yield (
            f"verified: {verified['matched']:,} of {verified['checked']:,} written profiles read "
            "back as written"
            if verified["checked"]
            else "no profile was written"
            if any(counts["added"] for counts in report["beside"].values())
            else "nothing was written, so nothing had to be read back"
            if report["status"] == "finished"
            else "nothing was read back yet"
        )
    if any((report["consent"] or {}).values()):
        said = ", ".join(f"{count:,} {status}" for status, count in report["consent"].items())
        yield f"consent: {said}; the API cannot set it"
    if report["lookup"]:
        yield f"directory read {report['lookup']}"
    also = " consent.csv" if report["consent"] else ""
    also += " plan.csv" if (folder / "plan.csv").exists() else ""
    yield (
        f"artifacts: {folder}/ (report.json rows.csv rejects.csv review.csv crosswalk.csv{also})"
    )
    yield from _next(report, folder, state_dir)


def of_export(report: dict[str, Any], destination: str) -> str:
    """Return what is printed of an export."""
    return "\n".join(_export(report, destination))


def _export(report: dict[str, Any], destination: str) -> Iterator[str]:
    calls = sum(counts["calls"] for counts in report["requests"].values())
    if report["status"] != "finished":
        yield f"export: incomplete after {_seconds(report)}; there is no {destination}"
        yield f"  {report['customers_collected']:,} customers are kept, in {calls:,} calls so far"
        yield report["stopped"]
        yield "next: give the same command again: it goes on"
        return
    if not report["complete"]:
        yield "export: standard output was closed before its end"
        return
    yield f"export: {report['rows']:,} rows in {destination}, in {_seconds(report)}"
    spans = report["windows"]
    again = sum(span["readings"] > 1 for span in spans)
    yield (
        f"  complete as of {report['as_of']}: Square counted the same before and after in each of "
        f"{len(spans):,} spans of time" + (f", {again:,} of them read again" if again else "")
    )
    yield f"  {report['customers_collected']:,} customers collected in {calls:,} calls"
    if increment := report["incremental"]:
        since = increment["since"]
        yield f"  new or changed since {since}" if since else "  everybody: increments begin here"
        deleted = increment["deleted"]
        yield f"  {deleted['rows']:,} customers that are gone: {deleted['path']}"
    if report["left_out"]:
        yield f"  columns without a place in this format: {', '.join(report['left_out'])}"
    for name, count in report["odd_values"].items():
        yield f"  {count:,} values of {name} are not what Square documents: kept as text, or empty"
    if destination == "-":
        yield "standard output has no manifest: name a file to keep the proof"
    else:
        yield f"manifest: {report['manifest']}"


def _undo(report: dict[str, Any], folder: Path, state_dir: Path) -> Iterator[str]:
    """Say what became of a run that was taken back."""
    rows, planned = report["rows"], report["command"] == "undo-plan"
    yield f"  undoes run {report['undoes']}"
    yield ""
    width = max(len(f"{rows['read']:,}"), 5)
    for outcome, meaning in UNDONE.items():
        if planned and outcome == "pending":
            meaning = "to be put back, or deleted"
        if rows[outcome] or outcome in ("updated", "deleted", "conflict"):
            yield f"  {outcome:<10}{rows[outcome]:>{width},}  {meaning}"
    verdict = "every one is accounted for" if report["balanced"] else "THE SUM IS WRONG"
    yield f"  {'= written':<10}{rows['read']:>{width},}  {verdict}"
    for name, meaning in (
        ("profiles_restored", "profiles with fields put back"),
        ("profiles_deleted", "profiles deleted"),
        ("memberships", "memberships of groups ended"),
        ("custom_attributes", "values of custom attributes put back or removed"),
    ):
        counts = report["undone"][name]
        if counts["planned"]:
            yield f"  {meaning}: {counts['done']:,} of {counts['planned']:,}"
    yield from _reasons(report)
    yield ""
    if not planned:
        verified = report["verified"]
        yield (
            f"looked at again: {verified['matched']:,} of {verified['checked']:,} are as before"
            if verified["checked"]
            else "nothing was left to take back, so nothing was written"
        )
    yield f"artifacts: {folder}/ (report.json rows.csv)"
    if report["stopped"]:
        yield report["stopped"]
    if report["status"] == "incomplete":
        yield f"next: {resume_command(state_dir, report['run_id'])}"
    elif report["reasons"]:
        yield f"next: rows with codes in {folder}/rows.csv were left alone: look at them in Square"
    if planned:
        yield "nothing was written to Square; the same command without --dry-run does it"


def _beside(report: dict[str, Any]) -> Iterator[str]:
    """Say what was added beside profiles, or would be."""
    for name, told in (
        ("groups", "memberships of groups"),
        ("custom_attributes", "values of custom attributes"),
        ("gift_cards", "links of gift cards"),
    ):
        counts = report["beside"][name]
        if not counts["planned"]:
            continue
        if report["command"] == "plan":
            yield f"  and add {counts['planned']:,} {told}"
            continue
        created = counts.get("created", 0)
        new = f", {created:,} created" if created else ""
        yield (
            f"  {told}: {counts['added']:,} of {counts['planned']:,} added{new}, "
            f"{counts['verified']:,} read back as written"
        )


def _reasons(report: dict[str, Any]) -> Iterator[str]:
    for title, key in (("reasons", "reasons"), ("cleaned", "repairs")):
        found = sorted(
            (
                (count, code, field)
                for code, by_field in report[key].items()
                for field, count in by_field.items()
            ),
            key=lambda entry: (-entry[0], entry[1:]),
        )
        if found:
            yield ""
            yield f"{title}:"
        for count, code, field in found[:_REASONS]:
            meaning = codes.BY_NAME[code].meaning if code in codes.BY_NAME else "Square's answer"
            where = f"{code} {field}".strip()
            yield f"  {count:>6,}  {where:<46} {meaning}"
        if len(found) > _REASONS:
            yield f"  and {len(found) - _REASONS} more: see report.json"


def _next(report: dict[str, Any], folder: Path, state_dir: Path) -> Iterator[str]:
    rows = report["rows"]
    if report["stopped"]:
        yield report["stopped"].removeprefix("brake: ")
    if report["status"] == "incomplete" or (report["exit_code"] == 4):
        yield f"next: {resume_command(state_dir, report['run_id'])}"
    if rows["rejected"] + rows["failed"]:
        amending = f" and --amends {report['run_id']}" if report["command"] == "import" else ""
        yield f"next: correct {folder}/rejects.csv and import it with the same config{amending}"
    if rows["review"]:
        yield (
            f"next: fill the decision column of {folder}/review.csv (a customer id, create or "
            "skip) and import it with the same config"
        )
    if any((report["consent"] or {}).values()):
        yield (
            f"next: import {folder}/consent.csv in the Square Dashboard (Customers, Import): only "
            "there can a subscription be set. That import adds rows and updates nobody, so try a "
            "few first and merge what is there twice"
        )
    if report["verified"]["mismatched"]:
        yield f"next: look for VERIFY_MISMATCH in {folder}/rows.csv"
    if report["command"] == "plan":
        yield f"nothing was written to Square; {folder}/plan.csv says what would be, row by row"
        yield f"next: {apply_command(state_dir, report['run_id'])}"


def _time(seconds: float) -> str:
    return f"{max(seconds, 0.1):.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} minutes"


def _seconds(report: dict[str, Any]) -> str:
    return f"{sum(report['seconds'].values()):.1f} s"
