"""Traces: what took how long, as spans within spans."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from etl.begin import Progress
from etl.square.wire import Call
from etl.telling.traces import Traces
from tests.cli.test_imports import PEOPLE, folder, run
from tests.sandbox.receivers import Receiver, receiving

__all__ = ["folder"]

CREATE = "POST /v2/customers/bulk-create"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """An exporter that keeps what it is given."""
    return InMemorySpanExporter()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """Return the spans that ended, by name."""
    return {span.name: span for span in exporter.get_finished_spans()}


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    """Return what a span says."""
    return span.attributes or {}


def test_spans_within_spans(exporter: InMemorySpanExporter) -> None:
    """A span for the command, in it one per stage, in these one for each attempt of a call."""
    traces = Traces("import", exporter)
    traces.called(Call("GET /v2/merchants/me", 200, 0.1, False, False))
    for stage in ("read", "load"):
        traces.watch(Progress(stage, 0, 0))
        traces.watch(Progress(stage, 7, 9))
    traces.called(Call(CREATE, 429, 0.5, False, True))
    traces.end(0)

    spans = by_name(exporter)
    root, load = spans["square-etl import"], spans["load"]
    assert root.parent is None
    for name, within in (
        *(("GET /v2/merchants/me", root), ("read", root)),
        *(("load", root), (CREATE, load)),
    ):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == within.context.span_id
    assert attributes(load)["square_etl.done"] == 7
    assert attributes(spans[CREATE])["http.response.status_code"] == 429
    assert attributes(spans[CREATE])["square.rate_limited"] is True
    assert spans[CREATE].status.status_code is StatusCode.ERROR
    assert spans["read"].end_time is not None
    assert load.start_time is not None
    assert spans["read"].end_time <= load.start_time


def test_a_call_takes_as_long_as_it_took(exporter: InMemorySpanExporter) -> None:
    """An attempt is told of when it is over; its span begins when it left."""
    traces = Traces("export", exporter)
    traces.called(Call(CREATE, None, 2.5, True, False))
    traces.end(4)
    spans = by_name(exporter)
    call = spans[CREATE]
    assert call.end_time is not None
    assert call.start_time is not None
    assert call.end_time - call.start_time == 2_500_000_000
    assert "http.response.status_code" not in attributes(call)
    assert spans["square-etl export"].status.status_code is StatusCode.ERROR
    assert attributes(spans["square-etl export"])["square_etl.exit_code"] == 4


def test_calls_of_other_threads(exporter: InMemorySpanExporter) -> None:
    """Twelve calls under way at a time are twelve spans of the stage that launched them."""
    traces = Traces("import", exporter)
    traces.watch(Progress("load", 0, 0))
    call = Call(CREATE, 200, 0.0, False, False)
    threads = [threading.Thread(target=traces.called, args=(call,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traces.end(0)
    load = by_name(exporter)["load"]
    calls = [span for span in exporter.get_finished_spans() if span.name == CREATE]
    assert len(calls) == 12
    assert {span.parent and span.parent.span_id for span in calls} == {load.context.span_id}


@pytest.fixture
def collector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector on a port, which OpenTelemetry's variables name, and a config to use it."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "c.toml").write_text("[traces]\nenabled = true\n")
    with receiving() as receiver:
        address = f"http://127.0.0.1:{receiver.port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        yield receiver


def test_an_import_is_sent_to_the_collector(collector: Receiver) -> None:
    """Stages and requests of a real run arrive as OTLP, under the name of the program; nobody's
    data is in it."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    done = run("import", "people.csv", "--config", "c.toml")
    assert done.exit_code == 0, done.output
    arrived = collector.taken()
    assert {each.path for each in arrived} == {"/v1/traces"}
    names, services = set(), set()
    for each in arrived:
        told = ExportTraceServiceRequest.FromString(each.body)
        for resource in told.resource_spans:
            services |= {
                one.value.string_value
                for one in resource.resource.attributes
                if one.key == "service.name"
            }
            names |= {span.name for scope in resource.scope_spans for span in scope.spans}
        assert not any(word in each.body for word in (b"ada@", b"Byron", b"4155550148"))
    assert services == {"square-etl"}
    assert {"square-etl import", "read", "check", "plan", "load", "verify", CREATE} <= names


def test_a_collector_that_refuses_changes_nothing(collector: Receiver) -> None:
    """The run ends as it would, whatever the collector says; that it was not told, is told."""
    collector.answers = [400] * 10
    done = run("import", "people.csv", "--config", "c.toml")
    assert done.exit_code == 0
    assert done.stderr.endswith("square-etl: the traces could not all be sent\n")
    assert "127.0.0.1" not in done.stderr.partition("\n")[2]


def test_without_the_library_a_config_error_says_how_to_get_it(folder: Path) -> None:
    """Where square-etl[otel] is not installed, traces that are asked for are refused; nothing else
    needs the library."""
    (folder / "people.csv").write_text(PEOPLE)
    (folder / "c.toml").write_text("[traces]\nenabled = true\n")
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'opentelemetry':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from etl.cli import main\n"
        "main()\n"
    )
    root = Path(__file__).parent.parent.parent

    def without(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env={"PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert without("import", "people.csv").returncode == 0
    refused = without("import", "people.csv", "--config", "c.toml")
    assert refused.returncode == 2
    assert "pip install 'square-etl[otel]'" in refused.stderr
    told = json.loads(without("doctor", "--config", "c.toml", "--output", "json").stdout)
    assert {"traces": "fix"}.items() <= {
        one["check"]: one["verdict"] for one in told["checks"]
    }.items()
