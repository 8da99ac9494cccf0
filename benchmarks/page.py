"""What does the page of results say? The result of a run of the suite in, Markdown and SVG out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import paper
import plots

HEADS = (
    *("rows", "seconds", "rows/s", "CPU µs/row", "peak MiB"),
    *("× floor", "× loop", "growth"),
)
PAPER = (
    *("night", "merchants", "rows of each", "requests of each", "at the rate limit"),
    *("one process", "all processors", "side by side", "takes", "bottleneck", "cores wanted"),
    *("disk", "memory"),
)
COMPARED = (
    *("stage", "rows", "seconds before", "after", "ratio"),
    *("CPU s before", "after", "CPU ratio"),
)
# In the order of the journeys; any other stage comes after.
_ORDER = (
    *("floor", "validate", "validate, row loop", "phones and emails, row loop"),
    *("start, validate", "read and check", "report, validate"),
    *("engine local", "engine processes", "engine dask"),
    *("import", "start", "read", "check", "plan", "plan, row loop"),
    *("load", "load, row loop", "attach", "verify", "verify, row loop", "report"),
    *("import, nothing new", "match", "export csv", "export parquet"),
)
# What the charts show; what takes no time to speak of is in the table alone.
_DRAWN = (
    *("floor", "read and check", "read", "check", "plan", "load", "verify", "report"),
    *("match", "export csv"),
)
_HELD = ("floor", "validate", "import", "plan", "match", "export csv", "import, nothing new")
_FOLDER = "results"
# What two versions were measured to take, where they were.
VERSIONS = "versions.json"
# What the stages are called that are a whole validation on an engine.
ENGINE = "engine "

Lines = Sequence[Mapping[str, Any]]


def by_stage(measured: Lines) -> list[Mapping[str, Any]]:
    """Return what was measured, stage after stage, each from the smallest size to the largest."""
    places = {stage: at for at, stage in enumerate(_ORDER)}
    return sorted(measured, key=lambda one: (places.get(one["stage"], len(_ORDER)), one["rows"]))


def cells(line: Mapping[str, Any]) -> list[str]:
    """Return a line of the table under ``HEADS``."""
    return [
        f"{line['rows']:,}",
        f"{line['seconds']:,.2f}",
        _number(line["rows_per_second"], ",.0f"),
        f"{line['cpu_us_per_row']:,.1f}",
        f"{line['peak_mib']:,.0f}",
        _number(line["times_the_floor"], ",.1f"),
        _number(line["faster_than_row_loop"], ",.1f"),
        _number(line["growth_per_row"], ".2f"),
    ]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def on_paper(line: Mapping[str, Any]) -> list[str]:
    """Return a line of the table under ``PAPER``."""
    return [
        line["night"],
        f"{line['merchants']:,}",
        f"{line['rows']:,}",
        f"{line['requests']:,}",
        duration(line["limit"]),
        duration(line["alone"]),
        duration(line["work"]),
        f"{line['at_once']:,}",
        duration(line["seconds"]),
        line["bottleneck"],
        f"{line['cores']:,.1f}",
        size(line["disk"]),
        size(line["memory"]),
    ]


def duration(seconds: float) -> str:
    """Return a time in the largest unit there is at least one of."""
    for unit, name in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= unit * (2 if name == "days" else 1):
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.1f} s"


def size(amount: float) -> str:
    """Return bytes in the largest unit there is at least one of."""
    for power, name in ((4, "TB"), (3, "GB"), (2, "MB")):
        if amount >= 1000**power:
            return f"{amount / 1000**power:,.1f} {name}"
    return f"{amount / 1000:,.1f} kB"


def write(result: Mapping[str, Any], folder: Path) -> None:
    """Write RESULTS.md, and beside it its charts and the result itself."""
    (folder / _FOLDER).mkdir(exist_ok=True)
    charts = dict(_charts(by_stage(result["stages"])))
    for name, (_, drawing) in charts.items():
        (folder / _FOLDER / f"{name}.svg").write_text(drawing, encoding="utf-8")
    told = json.dumps(result, indent=1) + "\n"
    (folder / _FOLDER / "results.json").write_text(told, encoding="utf-8")
    titles = {name: title for name, (title, _) in charts.items()}
    gained = folder / _FOLDER / VERSIONS
    known = json.loads(gained.read_text(encoding="utf-8")) if gained.exists() else None
    text = "\n".join([*_page(result, titles), *_versions(known)]) + "\n"
    (folder / "RESULTS.md").write_text(text, encoding="utf-8")


def _versions(gained: Mapping[str, Any] | None) -> Iterator[str]:
    if gained is None:
        return
    yield ""
    yield "## Before and after"
    yield ""
    yield (
        f"What changes since `{gained['before']}` gained, at `{gained['after']}`: both do the same "
        f"work in turn (`python benchmarks/versions.py`), medians of {gained['turns']} turns. "
        "`ratio` is of seconds, `CPU ratio` of the seconds of the processor."
    )
    yield ""
    yield from _markdown(COMPARED, map(compared, gained["stages"]))


def compared(line: Mapping[str, Any]) -> list[str]:
    """Return a stage before and after as cells under ``COMPARED``."""
    seconds = (line["before_seconds"], line["after_seconds"], line["ratio"])
    cpu = (line["before_cpu"], line["after_cpu"], line["cpu_ratio"])
    forms = (".1f", ".1f", ".2f")
    numbers = [format(each, form) for each, form in zip((*seconds, *cpu), 2 * forms, strict=True)]
    return [line["stage"], f"{line['rows']:,}", *numbers]


def _charts(measured: Lines) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the name, the title and the drawing of each chart there is something for."""

    def points(stages: Sequence[str], what: str, factor: float = 1.0) -> dict[str, plots.Points]:
        return {
            stage: [
                (one["rows"], one[what] * factor / (one["rows"] if what == "seconds" else 1))
                for one in measured
                if one["stage"] == stage and one[what]
            ]
            for stage in stages
        }

    for name, title, up, series in (
        ("cost", "Cost per row over size", "µs per row", points(_DRAWN, "seconds", 1e6)),
        ("memory", "Most memory over size", "MiB", points(_HELD, "peak_mib")),
    ):
        if any(series.values()):
            yield name, (title, plots.lines(title, "rows", up, series))
    for name, what, title, unit in (
        ("floor", "times_the_floor", "Seconds beside reading and writing the file", "× floor"),
        ("loop", "faster_than_row_loop", "Beside a loop over rows", "× faster"),
    ):
        largest = {
            one["stage"]: one[what]
            for one in measured
            if one[what] and one["stage"] != "floor" and "row loop" not in one["stage"]
        }
        if largest:
            at = f"{title}, at the largest size measured"
            yield name, (at, plots.bars(at, largest, unit))


def _page(result: Mapping[str, Any], charts: Mapping[str, str]) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield from _about(result)
    for name, title in charts.items():
        yield ""
        yield f"![{title}]({_FOLDER}/{name}.svg)"
    yield ""
    yield "## Stages"
    yield ""
    yield (
        "`× floor`: how many times the seconds in which pyarrow reads the file and writes it "
        "again, in a process of its own. `× loop`: how many times faster than a row loop, which "
        "cleans and judges a dict record at a time with phonenumbers and email-validator and "
        "writes rejects and ledger, or asks Square with a request for each row and step; the loops "
        "are in the table too, and one that looks at phones and emails and nothing else. "
        "`growth`: the cost of a row beside what it was "
        "at the size before; 1 is none, and less is what starting costs, shared by more rows. "
        "Processor time and memory are of the process and its workers together. The local Square "
        "is another process, but for exports, which have it in their own; stages of an import wait "
        "for it, which is no measure of Square's. A validation "
        "reads and checks at once. `start` and `report` are what comes before the first stage and "
        "after the last."
    )
    yield ""
    yield from _markdown(
        ("stage", *HEADS), ((one["stage"], *cells(one)) for one in by_stage(result["stages"]))
    )
    if result["left_out"]:
        yield ""
        yield "Not measured:"
        yield ""
        for line in result["left_out"]:
            yield f"- {line['stage']}, {line['rows']:,} rows: {line['why']}"
    if result["stopped"]:
        yield from ("", "Not everything was measured: the suite was stopped before its end.")
    yield from _engines(result["stages"])
    yield from _http(result["http"])
    yield from _on_paper(result)


def _about(result: Mapping[str, Any]) -> Iterator[str]:
    how, machine = result["measured"], result["machine"]
    yield (
        "Written by `python benchmarks/suite.py --page`; do not edit. The figures are in "
        f"[results.json]({_FOLDER}/results.json)."
    )
    yield ""
    yield (
        f"Measured {how['at']} at commit `{how['commit']}` in {how['minutes']:g} minutes: "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB; Python "
        f"{machine['python']}, pyarrow {machine['pyarrow']}, duckdb {machine['duckdb']}. Invented "
        f"people from seed {how['seed']} as {how['format']}, 8 % of the rows dirty and 5 % "
        f"duplicates; medians of up to {how['turns']} turns, imports once. Seconds are of this "
        "machine; ratios travel better."
    )


def _engines(measured: Lines) -> Iterator[str]:
    engines = {one["stage"]: one for one in measured if one["stage"].startswith(ENGINE)}
    if not engines:
        return
    local = engines[f"{ENGINE}local"]
    yield ""
    yield "## Engines"
    yield ""
    yield (
        f"A validation of {local['rows']:,} rows, from its start to its end: `local` in one "
        "process, the others on all cores."
    )
    yield ""
    lines = (
        (
            stage.removeprefix(ENGINE),
            f"{one['seconds']:.2f}",
            f"{local['seconds'] / one['seconds']:.2f}",
            f"{one['cpu'] / local['cpu']:.2f}",
            f"{one['peak_mib'] / local['peak_mib']:.2f}",
        )
        for stage, one in engines.items()
    )
    heads = ("--engine", "seconds", "× faster than local", "× its processor time")
    yield from _markdown((*heads, "× its memory"), lines)


def _http(http: Mapping[str, Any]) -> Iterator[str]:
    if not http:
        return
    one, paced = http["client"], http["paced"]
    yield ""
    yield "## The HTTP layer"
    yield ""
    yield (
        f"A bulk call of {paper.BULK} profiles takes the client {one['bulk_call_ms']:.2f} ms of "
        f"processor time, {one['ratio']:.1f} times what parsing and writing its JSON takes "
        f"({one['calls']:,} calls)."
    )
    later = paced["later nights"]
    yield (
        f"{paced['rows']:,} rows at {paced['rate']:g} requests a second: {paced['requests']:,} "
        f"requests of which {paced['fewest']:,} cannot be spared, {paced['answered 429']:,} "
        f"answered 429, {paced['load and verify rate / allowed']:.1%} of the rate used while "
        f"loading and reading back. The same file the night after took {later[0]['requests']:,} "
        f"requests, one night later {later[1]['requests']:,}."
    )


def _on_paper(result: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## On paper: 100 million rows, 1,000 merchants"
    yield ""
    if "paper" not in result:
        yield "Not computed: that takes an import, one with nothing new, and a match."
        return
    costs, cores = paper.Costs(**result["costs"]), result["machine"]["cores"]
    yield (
        f"Computed by `benchmarks/paper.py` from the costs above, as if each further row cost what "
        f"it did at the largest size measured; each merchant is allowed {paper.RATE:g} requests a "
        f"second. Of N rows {costs.written:.1%} become profiles, P. "
        "Who measures small sizes only finds more memory for each further row here than there is: "
        "what is held at first does not grow on."
    )
    yield ""
    yield from _stages_on_paper(result["stages_on_paper"])
    yield ""
    yield from _formulas(costs, cores, result["machine"]["memory_gib"])
    yield ""
    yield from _markdown(PAPER, map(on_paper, result["paper"]))
    yield ""
    yield (
        "Night: `first` is into an empty directory, `again` the same file with nothing new, `copy "
        "lost` that without the kept copy of the directory. `all processors` is what the work of "
        f"all merchants takes when it is spread over the {cores} cores of this machine; `cores "
        "wanted` is how many there have to be for nobody to wait for another. Disk and memory are "
        "of all merchants, all at work at once; disk is of one run each, and each further night "
        "leaves its journal and artifacts until `runs purge`."
    )
    yield ""
    yield from _plainly(result["paper"])


def _stages_on_paper(computed: Lines) -> Iterator[str]:
    yield (
        "Stage by stage, 100 million rows of one merchant, first import: the cost of a row is that "
        "at the size in the third column, `here` is that times the rows, on a machine as this one "
        "and as long as the cost does not grow; the limit is for the requests a stage needs."
    )
    yield ""
    lines = (
        (
            one["stage"],
            f"{one['us_per_row']:.1f}",
            f"{one['rows']:,}",
            _number(one["growth"], ".2f"),
            duration(one["here"]),
            f"{one['requests']:,}",
            duration(one["limit"]) if one["requests"] else "",
            one["bottleneck"],
        )
        for one in computed
    )
    heads = ("stage", "µs per row", "measured at", "growth", "here", "requests")
    yield from _markdown((*heads, "at the rate limit", "in the way"), lines)


def _formulas(costs: paper.Costs, cores: int, memory: float) -> Iterator[str]:
    us, kept = 1e6, costs.copy_of_profile
    yield (
        f"- requests: first = 3 + 2 × ⌈P / {paper.BULK}⌉ (each hundred written, and read back); "
        f"again = {costs.again_requests}; copy lost = again + ⌈P / {paper.BULK}⌉ pages"
    )
    yield f"- at the rate limit = requests / {paper.RATE:g} s"
    yield (
        f"- one process: first = N × {costs.before * us:.1f} µs before and after sending + the "
        f"longer of N × {costs.sending * us:.1f} µs and the rate limit; again = N × "
        f"{costs.again * us:.1f} µs + the rate limit"
    )
    yield f"- all processors = merchants × N × µs of a row / {cores} cores"
    yield (
        f"- side by side = as many merchants as the memory of this machine holds, {memory:g} GiB"
    )
    yield "- takes = the longer of all processors, and one process × ⌈merchants / side by side⌉"
    yield "- cores wanted = merchants × N × µs of a row / one process"
    yield (
        f"- disk = merchants × (N × ({costs.source:.0f} source + {costs.journal:.0f} journal + "
        f"{costs.ledger:.0f} ledger + {costs.artifacts:.0f} artifacts + {costs.at_work:.0f} index "
        f"while matching) + P × {kept:.0f} copy of the directory) bytes"
    )
    yield (
        f"- memory = merchants × ({size(costs.memory)} + N × {costs.memory_of_row:.1f} bytes, what "
        "matching held more for each further row)"
    )


def _plainly(computed: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Say of each scenario what is in the way."""
    for one in computed:
        whom = "One merchant" if one["merchants"] == 1 else f"{one['merchants']:,} merchants"
        each = "" if one["merchants"] == 1 else " each"
        yield (
            f"- {whom} with {one['rows']:,} rows{each}, {one['night']}: "
            f"{duration(one['seconds'])}; what limits it is {one['bottleneck']} "
            f"({one['requests']:,} requests are {duration(one['limit'])}, the work is "
            f"{duration(one['work'])} on this machine)."
        )


def _markdown(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|---|{'--:|' * (len(heads) - 1)}"
    for line in lines:
        yield f"| {' | '.join(line)} |"
