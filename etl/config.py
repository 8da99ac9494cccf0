"""Which settings does a run have, and what do they mean when nothing is said?

One TOML file, checked strictly; every key has a default. The models below are the one table of
settings: the loader, the error messages and the README's list read it.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from etl.addresses import is_loopback
from etl.customers import belongings, fields
from etl.customers.full_names import FULL_NAME
from etl.errors import ConfigError

Environment = Literal["local", "sandbox", "production"]
OnInvalid = Literal["reject", "drop", "truncate"]
# Fields of which a row may have several, while Square keeps one.
Contact = Literal["phone_number", "email_address"]
UpdatePolicy = Literal["overwrite", "fill", "mirror", "skip"]
# How a run ends: exit 0; rows that need a person (3); anything else.
Ending = Literal["success", "attention", "failure"]

# The newest Square-Version whose customer schemas were compared with this code.
SQUARE_VERSION = "2026-08-19"


def _importable(name: str) -> str:
    if name in fields.CUSTOMERS.names:
        return name
    raise ValueError(
        f"{name!r} is not a customer field{did_you_mean(name, fields.CUSTOMERS.names)}"
    )


def _mappable(name: str) -> str:
    return name if name == FULL_NAME else _importable(name)


def _target(name: str) -> str:
    return name if name == belongings.GIFT_CARD else _mappable(name)


def _constant(name: str) -> str:
    field = fields.BY_NAME[_importable(name)]
    if field.match_key or not field.writable:
        raise ValueError(f"{name} cannot be a constant: all rows would be one customer")
    return name


def _share_or_count(value: str) -> str:
    digits = value[:-1] if value.endswith("%") else value
    try:
        number = float(digits)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf or (value.endswith("%") and number > 100):
        raise ValueError(f'{value!r} is neither a count like "20" nor a share like "5%"')
    return value


def _region(value: str) -> str:
    import phonenumbers  # heavy: loaded only when a region is given

    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f'{value!r} is not a region that has phone numbers, such as "US"')
    return value


def _attribute_key(key: str) -> str:
    if belongings.KEY.fullmatch(key):
        return key
    raise ValueError(
        f"{key!r} is not the key of a custom attribute: up to 60 letters, digits, '.', '_' and '-'"
    )


def _group_name(name: str) -> str:
    tidied = belongings.tidied(name)
    if tidied.text != name or tidied.findings:
        raise ValueError(f"{name!r} is not the name of a group: it is empty, or not plain text")
    return name


def _elsewhere(place: str) -> str:
    if place == "note":
        return place
    key = place.removeprefix(belongings.ATTRIBUTES)
    if key == place:
        raise ValueError(f'{place!r} is neither "note" nor "custom_attributes.KEY"')
    _attribute_key(key)
    return place


def _web_address(url: str) -> str:
    # Never quoted: a webhook's address may be all the secret there is.
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("this is not a web address") from error
    if parts.scheme not in ("http", "https") or not host or not (url.isascii() and " " not in url):
        raise ValueError("this is not a web address: it starts with https:// and a host")
    if parts.username or parts.password:
        raise ValueError("a user and a password in an address end up in logs: use secret_env")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is for this machine only: use https://")
    return url


FieldName = Annotated[str, AfterValidator(_importable)]
MappedName = Annotated[str, AfterValidator(_mappable)]
ColumnName = Annotated[str, AfterValidator(_target)]
ConstantName = Annotated[str, AfterValidator(_constant)]
ShareOrCount = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    AfterValidator(_share_or_count),
]
Region = Annotated[str, AfterValidator(_region)]
AttributeKey = Annotated[str, AfterValidator(_attribute_key)]
GroupName = Annotated[str, AfterValidator(_group_name)]
Elsewhere = Annotated[str, AfterValidator(_elsewhere)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Section(BaseModel):
    # Config alone is ever built: a section that were built by itself would be built twice.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Source(_Section):
    """How the files are read."""

    encoding: str | None = Field(None, description="e.g. cp1252; else detected")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="one character; else detected"
    )
    preset: str | None = Field(None, description="the system that wrote the file, e.g. shopify")
    namespace: str = Field("", description="keeps what was imported from several systems apart")
    header: tuple[str, ...] | None = Field(
        None, description="column names that replace the file's header line"
    )
    skip_lines: int = Field(0, ge=0, description="lines before the header")
    escaped: StrictBool | None = Field(
        None,
        description="cells carry our formula escape; else as an export's manifest says, and true "
        "for rejects.csv and review.csv",
    )


class Clean(_Section):
    """How values are brought to their canonical form."""

    default_region: Region | None = Field(
        None, description="country of phones without +; else the merchant's"
    )
    region_from: Literal["config", "country"] = Field(
        "config", description="country: the row's own country, where it has one, decides"
    )
    date_order: Literal["MDY", "DMY", "YMD"] | None = Field(
        None, description="order of day and month; else proved per column"
    )
    two_digit_years: Literal["past"] | None = Field(
        None,
        description="past: a birthday with a year of two digits lies in the 100 years before the "
        "run began; else it is rejected",
    )
    pad_postal_code: StrictBool = Field(False, description="put lost leading zeros back (US)")


def _may_be_cut(name: str) -> bool:
    # Two keys could be alike up to the limit, and then be taken for one person's.
    field = fields.BY_NAME[name]
    return field.max_length is not None and not field.match_key


class OnInvalidSection(BaseModel):
    """What happens to a row with an invalid field: by default it is rejected."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    __pydantic_extra__: dict[str, OnInvalid]

    default: OnInvalid = "reject"

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        for name, policy in (self.__pydantic_extra__ or {}).items():
            _importable(name)
            if policy == "truncate" and not _may_be_cut(name):
                raise ValueError(f"{name} cannot be truncated: it has no limit, or names a person")
        return self

    @property
    def of_belongings(self) -> Literal["reject", "drop"]:
        """What to do with an invalid group or custom attribute: these are never cut."""
        return "drop" if self.default == "drop" else "reject"

    def policy(self, field: str) -> OnInvalid:
        """Return what to do with an invalid value of ``field``."""
        policy = (self.__pydantic_extra__ or {}).get(field, self.default)
        return "reject" if policy == "truncate" and not _may_be_cut(field) else policy


class Dedupe(_Section):
    """How a row finds its customer."""

    keys: tuple[Literal["reference_id", "email_address", "phone_number"], ...] = Field(
        ("reference_id", "email_address", "phone_number"), description="what identifies a person"
    )
    in_file: Literal["merge", "first", "last", "reject"] = Field(
        "merge", description="several rows of one person"
    )
    shared_phone: Literal["review", "separate", "match"] = Field(
        "review", description="same phone, different names"
    )
    lookup: Literal["auto", "search", "snapshot", "index"] = Field(
        "auto", description="how the directory is read; auto takes what needs fewest calls"
    )


class Update(_Section):
    """What an import may change on a profile that exists."""

    policy: UpdatePolicy = Field("overwrite", description="who wins: the file, or what is there")
    allow_clear: StrictBool = Field(False, description="lets mirror clear fields")
    fields: dict[FieldName, UpdatePolicy] = Field(
        default_factory=dict, description="another policy for single fields"
    )

    @model_validator(mode="after")
    def _clearing_is_asked_for(self) -> Self:
        if not self.allow_clear and "mirror" in (self.policy, *self.fields.values()):
            raise ValueError('policy = "mirror" clears fields: set allow_clear = true as well')
        return self

    def policy_for(self, field: str) -> UpdatePolicy:
        """Return the policy for one field."""
        return self.fields.get(field, self.policy)


class Groups(_Section):
    """Which customer groups the people of a file are put into; nobody is taken out of one."""

    add: tuple[GroupName, ...] = Field((), description="names of groups for every row")
    column: str | None = Field(
        None, min_length=1, description="the header of a column with the names of groups"
    )
    separator: str = Field(
        ",", min_length=1, description="between several names in a cell of that column"
    )

    @model_validator(mode="after")
    def _separated_column(self) -> Self:
        if self.column is None and self.separator != ",":
            raise ValueError('separator needs the column whose cells it separates: column = "Tags"')
        return self


class Definitions(_Section):
    """What happens to custom attributes that are not defined in this account."""

    create_missing: StrictBool = Field(
        False, description="defines them as texts, called as their column is; else an error"
    )


class Consent(_Section):
    """Who agreed to be written to. Square's API cannot set it: it goes to consent.csv."""

    column: str | None = Field(None, description="the header of the consent column")
    yes: tuple[str, ...] = Field(
        ("yes", "true", "subscribed"), description="what its cells say where somebody agreed"
    )
    require: StrictBool = Field(False, description="rows of people who did not agree are skipped")


class Limits(_Section):
    """When a run stops, and how fast it goes."""

    tolerate: ShareOrCount = Field("0%", description="rejected, failed and review rows for exit 0")
    patience: float = Field(900.0, gt=0, description="seconds without progress before exit 4")
    max_rejected: ShareOrCount | None = Field(None, description="brake: rejected rows")
    max_created: ShareOrCount | None = Field(None, description="brake: new profiles")
    max_cleared: ShareOrCount | None = Field(
        None, description="brake: fields that would be cleared"
    )
    max_failed: ShareOrCount | None = Field(
        None, description="brake during the load: rows that Square refused"
    )
    max_mismatched: ShareOrCount | None = Field(
        None,
        description="brake during the load: profiles that do not read back as written; they are "
        "read back as it goes, not afterwards",
    )
    requests_per_second: float | None = Field(None, gt=0, description="upper bound on the pace")


class Target(_Section):
    """Which Square is spoken to."""

    environment: Environment = Field("local", description="local, sandbox or production")
    square_version: str = Field(
        SQUARE_VERSION, pattern=r"^\d{4}-\d{2}-\d{2}$", description="the Square-Version header"
    )
    token_file: Path | None = Field(None, description="a file of mode 0600 with the access token")
    keyring: str | None = Field(
        None,
        min_length=1,
        description="the service under which the system's keyring has the access token; the user "
        "name there is the environment (needs square-etl[keyring])",
    )

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.keyring and self.token_file:
            raise ValueError("token_file and keyring are two places for one token: keep one")
        return self


class Anomaly(_Section):
    """Is tonight's file like those of the nights before?"""

    action: Literal["off", "warn", "stop"] = Field(
        "warn", description="stop: a brake (exit 6) before anything is written"
    )
    runs: int = Field(
        14, ge=3, le=1000, description="compared with so many finished imports of the same source"
    )


class Notify(_Section):
    """Who is told when a run has ended."""

    on: tuple[Ending | Literal["always"], ...] = Field(
        ("attention", "failure"),
        description="success (exit 0), attention (exit 3), failure (any other exit), always",
    )
    webhook: WebAddress | None = Field(
        None, description="the summary is POSTed there as JSON; https, or http to this machine"
    )
    secret_env: VariableName | None = Field(
        None, description="environment variable whose value goes along as a header"
    )
    secret_header: str = Field(
        "Authorization", pattern=r"^[A-Za-z0-9-]+$", description="the name of that header"
    )
    command: tuple[str, ...] = Field(
        (), description="a program and its arguments; the summary is its standard input, as JSON"
    )
    timeout: float = Field(
        10.0, gt=0, le=300, description="seconds for one attempt of either; a webhook has three"
    )

    @model_validator(mode="after")
    def _secret_for_somebody(self) -> Self:
        if self.secret_env and not self.webhook:
            raise ValueError("secret_env goes to a webhook: say which one")
        return self

    def wants(self, ending: Ending) -> bool:
        """Is anybody told when a run ends so?"""
        return bool(self.webhook or self.command) and ("always" in self.on or ending in self.on)


class Metrics(_Section):
    """Figures of the last run for Prometheus."""

    textfile: Path | None = Field(
        None, description="a .prom file for the textfile collector of the node exporter"
    )

    @model_validator(mode="after")
    def _collected(self) -> Self:
        if self.textfile and self.textfile.suffix != ".prom":
            raise ValueError("textfile: the collector reads files that end in .prom only")
        return self


class Traces(_Section):
    """Spans of stages and requests for OpenTelemetry."""

    enabled: StrictBool = Field(
        False,
        description="sends them where OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, "
        "...) say (needs square-etl[otel])",
    )


# What may change without making another run: none of it says what is written.
APART = ("limits", "anomaly", "notify", "metrics", "traces")


class Config(_Section):
    """All settings of one run."""

    source: Source = Source()
    columns: dict[str, ColumnName] = Field(
        default_factory=dict,
        description='"source header" = "field", "full_name" to split it, or "gift_card_gan"',
    )
    fallbacks: dict[MappedName, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="field = [headers]: the first that is not empty in a row wins, of phones and "
        "emails the first valid one",
    )
    joined: dict[FieldName, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(
        default_factory=dict,
        description="field = [headers]: joined by a blank, in a note by a line break, in a "
        "birthday by a slash",
    )
    constants: dict[ConstantName, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict, description='field = "text" for rows that have none'
    )
    values: dict[FieldName, dict[str, str]] = Field(
        default_factory=dict, description='per field, "written" = "meant"; "" means nothing'
    )
    others: dict[Contact, Elsewhere] = Field(
        default_factory=dict,
        description='phone_number = "note" or "custom_attributes.KEY": where the phones go that '
        "are not the profile's",
    )
    groups: Groups = Groups()
    custom_attributes: dict[str, AttributeKey] = Field(
        default_factory=dict, description='"source header" = "key" of a custom attribute'
    )
    definitions: Definitions = Definitions()
    consent: Consent = Consent()
    clean: Clean = Clean()
    on_invalid: OnInvalidSection = OnInvalidSection()
    dedupe: Dedupe = Dedupe()
    update: Update = Update()
    limits: Limits = Limits()
    anomaly: Anomaly = Anomaly()
    target: Target = Target()
    notify: Notify = Notify()
    metrics: Metrics = Metrics()
    traces: Traces = Traces()

    def of_rows(self) -> Self:
        """Return the settings that rows are judged by: the others need not be known elsewhere.

        Where the token lies and who is told of a run are no matter of those who help with it.
        """
        others = (*APART, "target")
        return self.model_copy(update={name: type(getattr(self, name))() for name in others})

    @model_validator(mode="after")
    def _one_source_per_attribute(self) -> Self:
        feeding = [*self.custom_attributes.values()]
        feeding += [p.removeprefix(belongings.ATTRIBUTES) for p in self.others.values()]
        for key in feeding:
            if key != "note" and feeding.count(key) > 1:
                raise ValueError(f"the custom attribute {key!r} is fed twice: keep one of them")
        return self

    @property
    def attribute_headers(self) -> dict[str, str]:
        """The keys of all custom attributes that are written, with what people call each."""
        named = {key: header for header, key in self.custom_attributes.items()}
        for field, place in self.others.items():
            if place != "note":
                key = place.removeprefix(belongings.ATTRIBUTES)
                named[key] = f"Other {field.replace('_', ' ')}"
        return named

    @property
    def has_belongings(self) -> bool:
        """Do groups or custom attributes come of this config?"""
        return bool(self.groups.add or self.groups.column or self.attribute_headers)


def load(path: Path | str) -> Config:
    """Read a config file.

    Raises ConfigError naming the file, the key and, for a misspelt key, the nearest known one.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the config {path}: {error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{path} is not valid TOML: it is nested too deeply") from None
    return parse(data, str(path))


def parse(data: Mapping[str, Any], origin: str) -> Config:
    """Turn plain data into a Config; ``origin`` names where it came from in errors."""
    try:
        return Config.model_validate(data)
    except pydantic.ValidationError as error:
        lines = [f"{origin}: {line}" for line in _explain(error)]
        raise ConfigError("\n".join(lines)) from error


def beyond(count: int, limit: str, rows: int) -> bool:
    """Is ``count`` more than the limit, a number or a share ("5%") of ``rows``?"""
    allowed = float(limit[:-1]) * rows / 100 if limit.endswith("%") else float(limit)
    return count > allowed


def _explain(error: pydantic.ValidationError) -> Iterator[str]:
    for detail in error.errors():
        where = ".".join(str(step) for step in detail["loc"])
        if detail["type"] == "extra_forbidden":
            name = str(detail["loc"][-1])
            yield f"unknown key {where}{did_you_mean(name, _known_keys(detail['loc'][:-1]))}"
        else:
            yield f"{where}: {detail['msg'].removeprefix('Value error, ')}"


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for step in path:
        model = type(getattr(model(), str(step)))
    return list(model.model_fields)


def did_you_mean(name: str, known: list[str]) -> str:
    """Return what is added to the message on an unknown name: the nearest known one, if any is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]}?)" if near else ""
