"""Do requests and answers agree with how the sandbox describes itself?"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import httpx
import jsonschema_rs
import orjson

from etl.sandbox import Request, Response, Sandbox

Schema = Mapping[str, Any]


class Operation(NamedTuple):
    """One described call; ``path`` is its template."""

    method: str
    path: str
    described: Mapping[str, Any]

    def fits(self, path: str) -> bool:
        """Tell whether a path is one of this call's."""
        steps = "/".join(
            "[^/]+" if step.startswith("{") else re.escape(step) for step in self.path.split("/")
        )
        return re.fullmatch(steps, path) is not None


class Description:
    """The description of a sandbox, put to the test by every exchange it is shown."""

    def __init__(self, sandbox: Sandbox) -> None:
        answer = sandbox.respond(Request("GET", "/_sandbox/openapi.json"))
        self.document: dict[str, Any] = orjson.loads(answer.body)
        self.operations = [
            Operation(method.upper(), path, described)
            for path, methods in self.document["paths"].items()
            for method, described in methods.items()
        ]

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the call a request is for."""
        fitting = [one for one in self.operations if one.fits(path)]
        # A path written out comes first (OpenAPI): groups is not the id of a customer.
        fitting = [one for one in fitting if "{" not in one.path] or fitting
        return next((one for one in fitting if one.method == method), None)

    def check(self, request: Request, answer: Response, *, newest: bool = True) -> None:
        """Fail unless the answer is as described, and a request that is not was refused.

        The latter is only true of the ``newest`` Square-Version: older ones ignore more.
        """
        told = f"{request}\n{answer}"
        assert answer.status < 500, told
        assert answer.headers["content-type"] == "application/json", told
        operation = self.operation(request.method, request.path)
        if operation is None:
            assert answer.status in (404, 405), told
            problems = self._problems({"$ref": "#/components/schemas/Errors"}, answer.body)
        else:
            problems = self._of_answer(operation, answer)
        assert next(problems, None) is None, told
        if operation is None or answer.status != 200 or not newest:
            return
        for accepted in self._of_request(operation, request):
            raise AssertionError(f"accepted although {accepted}\n{told}")
        for accepted in self._of_entries(operation, request, answer):
            raise AssertionError(f"accepted although {accepted}\n{told}")

    def _of_answer(self, operation: Operation, answer: Response) -> Iterator[str]:
        status = str(answer.status)
        described = operation.described["responses"].get(status)
        if described is None:
            yield f"{status} is not described"
            return
        if "$ref" in described:
            described = self.document["components"]["responses"][status]
        yield from self._problems(described["content"]["application/json"]["schema"], answer.body)

    def _of_request(self, operation: Operation, request: Request) -> Iterator[str]:
        """Yield what is wrong with a request's query and body."""
        given = dict(parse_qsl(request.query, keep_blank_values=True))
        for parameter in operation.described["parameters"]:
            if parameter["in"] == "query" and parameter["name"] in given:
                value = _read(given[parameter["name"]], parameter["schema"])
                yield from self._problems(parameter["schema"], orjson.dumps(value))
        body = operation.described.get("requestBody")
        if body is not None and (request.body.strip() or body["required"]):
            yield from self._problems(body["content"]["application/json"]["schema"], request.body)

    def _of_entries(
        self, operation: Operation, request: Request, answer: Response
    ) -> Iterator[str]:
        """Yield what is wrong with entries of a bulk call that have no error of their own."""
        body = operation.described.get("requestBody")
        if body is None or not request.body.strip():
            return
        schema = body["content"]["application/json"]["schema"]
        for name, member in schema.get("properties", {}).items():
            entry = member.get("additionalProperties")
            if isinstance(entry, dict) and "anyOf" in entry:
                (answers,) = orjson.loads(answer.body).values()
                for key, sent in orjson.loads(request.body)[name].items():
                    if "errors" not in answers[key]:
                        yield from self._problems(entry["anyOf"][0], orjson.dumps(sent))

    def _problems(self, schema: Schema, text: bytes) -> Iterator[str]:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield str(error)
            return
        for problem in self._validator(orjson.dumps(schema)).iter_errors(value):
            yield f"{'.'.join(map(str, problem.instance_path))}: {problem.message[:500]}"

    @functools.cache  # noqa: B019
    def _validator(self, schema: bytes) -> jsonschema_rs.Draft202012Validator:
        return jsonschema_rs.Draft202012Validator(
            {**orjson.loads(schema), "components": self.document["components"]}
        )


def _read(text: str, schema: Schema) -> object:
    """Read a query parameter as its schema's type."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def exchange(answer: httpx.Response) -> tuple[Request, Response]:
    """Return what httpx sent and received in the sandbox's own terms."""
    sent = answer.request
    path, _, query = sent.url.raw_path.decode("ascii").partition("?")
    return (
        Request(sent.method, path, query, dict(sent.headers), sent.content),
        Response(answer.status_code, answer.content, dict(answer.headers)),
    )
