"""What does an operator read at the end of a run? Counts, reasons, and the next command."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from etl.customers import codes
from etl.customers.cells import for_screen
from etl.reports import advice
from etl.reports.outcomes import MEANING, UNDONE, share

_COLOURS = {
    **dict.fromkeys(("created", "updated", "deleted"), "green"),
    **dict.fromkeys(("review", "conflict", "unknown", "pending"), "yellow"),
    **dict.fromkeys(("rejected", "failed"), "red"),
}
_ALWAYS = ("created", "updated", "unchanged", "rejected")
_BAR = 30
_REASONS = 6
_UNUSED = 30


def text(report: dict[str, Any], folder: Path, state_dir: Path, *, colours: bool = False) -> str:
    """Return the printed summary of a report; ``folder`` holds the artifacts."""
    told = "\n".join(_lines(report, folder, state_dir))
    return told if colours else click.unstyle(told)


def _lines(report: dict[str, Any], folder: Path, state_dir: Path) -> Iterator[str]:
    colour = {0: "green", 3: "yellow"}.get(report["exit_code"], "red")
    status = click.style(report["status"], fg=colour, bold=True)
    yield f"run {report['run_id']}: {status} in {_seconds(report)}"
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
    always = _ALWAYS if report["command"] == "import" else ()
    meanings = dict(MEANING)
    if report["command"] == "validate":
        meanings["pending"] = "acceptable to Square"
    yield from _table(report, meanings, always, "= read", "every row is accounted for")
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
        f"artifacts: {folder}/ (report.html report.json rows.csv rejects.csv review.csv "
        f"crosswalk.csv{also})"
    )
    if report["stopped"]:
        yield report["stopped"].removeprefix("brake: ")
    if report["command"] == "plan":
        yield f"nothing was written to Square; {folder}/plan.csv says what would be, row by row"
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
    planned = report["command"] == "undo-plan"
    yield f"  undoes run {report['undoes']}"
    yield ""
    meanings = dict(UNDONE)
    if planned:
        meanings["pending"] = "to be put back, or deleted"
    always = ("updated", "deleted", "conflict")
    yield from _table(report, meanings, always, "= written", "every one is accounted for")
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
    yield f"artifacts: {folder}/ (report.html report.json rows.csv)"
    if report["stopped"]:
        yield report["stopped"]
    if planned:
        yield "nothing was written to Square; the same command without --dry-run does it"
    yield from _next(report, folder, state_dir)


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
            yield f"  and {len(found) - _REASONS} more: see report.html"


def _next(report: dict[str, Any], folder: Path, state_dir: Path) -> Iterator[str]:
    """Say what is to be done; a command stands on a line of its own where words come first."""
    for step in advice.steps(report, folder, state_dir):
        command = click.style(step.command, bold=True) if step.command else ""
        if not step.by_hand:
            yield f"next: {command}"
            continue
        yield f"next: {step.by_hand}" + (", then" if command else "")
        if command:
            yield f"      {command}"


def _table(
    report: dict[str, Any],
    meanings: Mapping[str, str],
    always: Collection[str],
    total: str,
    right: str,
) -> Iterator[str]:
    """Say how many rows have which outcome, what share that is, and that it adds up."""
    rows = report["rows"]
    width = max(len(f"{rows['read']:,}"), 5)
    for outcome, meaning in meanings.items():
        count = rows[outcome]
        if count or outcome in always:
            bar = "█" * max(round(_BAR * count / max(rows["read"], 1)), 1)
            told = f"  {outcome:<10}{count:>{width},}  {meaning:<32}"
            bar = click.style(f"{bar:<{_BAR}}", fg=_COLOURS.get(outcome)) if count else ""
            yield (told + bar + f"{share(count, rows['read']):>7}" if count else told).rstrip()
    verdict = (
        click.style(right, fg="green")
        if report["balanced"]
        else click.style("THE SUM IS WRONG", fg="red", bold=True)
    )
    yield f"  {total:<10}{rows['read']:>{width},}  {verdict}"


def _time(seconds: float) -> str:
    return f"{max(seconds, 0.1):.1f} s" if seconds < 120 else f"{seconds / 60:,.0f} minutes"


def _seconds(report: dict[str, Any]) -> str:
    return f"{sum(report['seconds'].values()):.1f} s"
