"""How long did which stage and which request take? Spans for OpenTelemetry (square-etl[otel]).

Names of endpoints and stages, figures and statuses; no path, no body, nobody's id.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from etl.begin import Progress
from etl.errors import ConfigError
from etl.journal.records import Run
from etl.square.wire import Call

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

# What it says itself quotes addresses, and would stand on standard error.
_LOGGER = logging.getLogger("opentelemetry")

_INSTALL = "[traces] needs a library: pip install 'square-etl[otel]'"


def missing() -> str:
    """Return what has to be installed before there can be traces, empty if nothing has to."""
    try:
        found = find_spec("opentelemetry.sdk") and find_spec(
            "opentelemetry.exporter.otlp.proto.http"
        )
    except ModuleNotFoundError:
        found = None
    return "" if found else _INSTALL


class _Complaints(logging.Handler):
    """Hears OpenTelemetry say that it could not send something."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = False

    def emit(self, record: logging.LogRecord) -> None:
        self.heard = True


class Traces:
    """A span for a command, in it one for each stage, in these one for each attempt of a call.

    Without an ``exporter`` they go where OpenTelemetry's own environment variables say. Calls may
    be told of in any thread.
    """

    def __init__(self, command: str, exporter: SpanExporter | None = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise ConfigError(_INSTALL) from error
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "square-etl"}
        self._provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("square-etl")
        self._complaints = _Complaints()
        _LOGGER.addHandler(self._complaints)
        self._root = self._tracer.start_span(f"square-etl {command}")
        self._stage: Span | None = None
        self._name = ""
        self._lock = threading.Lock()

    def announce(self, run: Run) -> None:
        """Hear which run it is."""
        self._root.set_attributes(
            {
                "square_etl.run_id": run.run_id,
                "square_etl.target": run.target,
                "square_etl.merchant_id": run.merchant_id,
                "square_etl.square_version": run.square_version,
            }
        )

    def watch(self, progress: Progress) -> None:
        """Hear of a step: the first of a stage begins its span."""
        if progress.stage != self._name:
            with self._lock:
                self._end_stage()
                self._name = progress.stage
                self._stage = self._tracer.start_span(progress.stage, self._inside(self._root))
        if self._stage:
            self._stage.set_attribute("square_etl.done", progress.done)

    def called(self, call: Call) -> None:
        """Hear of an attempt of a call that has just ended."""
        from opentelemetry.trace import SpanKind, StatusCode

        end = time.time_ns()
        with self._lock:
            within = self._inside(self._stage or self._root)
        attributes: dict[str, str | int | bool] = {
            "square.endpoint": call.endpoint,
            "square.retry": call.retry,
            "square.rate_limited": call.rate_limited,
        }
        if call.status is not None:
            attributes["http.response.status_code"] = call.status
        span = self._tracer.start_span(
            call.endpoint,
            within,
            SpanKind.CLIENT,
            attributes,
            start_time=end - int(call.seconds * 1e9),
        )
        if call.status is None or call.status >= 400:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    def end(self, exit_code: int) -> str:
        """End all spans and send what has not been sent; return what went wrong.

        OpenTelemetry gives up after OTEL_EXPORTER_OTLP_TIMEOUT seconds (10).
        """
        from opentelemetry.trace import StatusCode

        with self._lock:
            self._end_stage()
        self._root.set_attribute("square_etl.exit_code", exit_code)
        if exit_code:
            self._root.set_status(StatusCode.ERROR)
        self._root.end()
        self._provider.shutdown()
        _LOGGER.removeHandler(self._complaints)
        return "the traces could not all be sent" if self._complaints.heard else ""

    def _end_stage(self) -> None:
        if self._stage:
            self._stage.end()
        self._stage = None

    def _inside(self, span: Span) -> Context:
        from opentelemetry.trace import set_span_in_context

        return set_span_in_context(span)
