"""The settings, with their limits and their order.

`support/read_settings.py` reads file and environment, checks each value and refuses unknown keys.

Options beat `HARVESTER_<SECTION>__<KEY>` in the environment, which beats the file, which beats the defaults here.
The API key is not a setting: see `support/api_key.py`. Paths in the file are relative to the file's own folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct
from msgspec.structs import fields, replace

from harvester.errors import ConfigError
from harvester.support.addresses import WANTED, file_of, is_known, name_of
from harvester.support.export_file_names import COMPRESSED_WITHIN, with_export_by_name
from harvester.support.read_settings import (
    NOTHING_DONE,
    Problem,
    build,
    merged,
    read_environment,
    read_toml,
    variable_of,
)
from harvester.support.sanitize import did_you_mean, shown
from harvester.support.secret import Secret

PARTS = frozenset(
    (
        *("contentDetails", "fileDetails", "id", "liveStreamingDetails", "localizations"),
        *("paidProductPlacementDetails", "player", "processingDetails", "recordingDetails"),
        *("snippet", "statistics", "status", "suggestions", "topicDetails"),
    )
)
"""The parts that videos.list knows (discovery document, revision 20261104)."""

Acl: TypeAlias = Literal[
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]

PositiveInt = Annotated[int, Meta(gt=0)]


def _known_database(url: str) -> str:
    if not is_known(url):
        raise ValueError(f"must {WANTED}")
    return url


def _web_address(url: str) -> SplitResult:
    parsed = urlsplit(url)
    if parsed.scheme not in ("http", "https") or not parsed.hostname or parsed.port == 0:
        raise ValueError("must be an http or https address")
    return parsed


def _api_address(url: str) -> str:
    parsed = _web_address(url)
    if parsed.query or parsed.username:
        raise ValueError("must hold no query and no user: the key comes from the environment")
    return url.rstrip("/")


def _known_parts(parts: tuple[str, ...]) -> tuple[str, ...]:
    unknown = sorted(set(parts) - PARTS)
    if unknown or not parts:
        wrong = f"unknown part {unknown[0]!r}.{did_you_mean(unknown[0], PARTS)}" if unknown else ""
        raise ValueError(wrong or "must name at least one part")
    return parts


def _page_place(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    on_s3 = separator and scheme.lower() == "s3" and all(rest.partition("/")[::2]) and not rest.endswith("/")
    if not uri or (separator and not on_s3):
        raise ValueError("must be a local path or s3://bucket/key")
    return uri


def _notice_address(url: Secret) -> Secret:
    text = url.get_secret_value()
    with suppress(ValueError):
        if not _web_address(text).fragment and text.isascii() and text.isprintable() and " " not in text:
            return url
    # What stands in the address is not repeated.
    raise ValueError("must be an http or https address, in ASCII and without a fragment")


class SourceSettings(Struct, frozen=True):
    """Where the ids are read from."""

    uri: str | None = None
    column: str = "song"
    anonymous: bool = False


class LedgerSettings(Struct, frozen=True):
    """The checkpoint database."""

    url: Annotated[str, _known_database] = "sqlite:///harvest.db"

    def __repr__(self) -> str:
        return f"LedgerSettings({self.name!r})"  # the address may hold a password

    @property
    def path(self) -> Path | None:
        """The file; None where the ledger is on a server."""
        return file_of(self.url)

    @property
    def name(self) -> str:
        """The ledger's name without a password: that of the file, or server and database."""
        return name_of(self.url)


class YouTubeSettings(Struct, frozen=True):
    """The API."""

    base_url: Annotated[str, _api_address] = "https://youtube.googleapis.com/youtube/v3"
    parts: Annotated[tuple[str, ...], _known_parts] = (
        "snippet",
        "contentDetails",
        "status",
        "statistics",
        "topicDetails",
    )

    @property
    def asked(self) -> str:
        """The parts as the ledger records them with each call: sorted, so that their order makes no difference."""
        return ",".join(sorted(set(self.parts)))


class QuotaSettings(Struct, frozen=True):
    """Units a day, units a call, and units left to other users."""

    daily_units: PositiveInt = 10_000
    units_per_call: PositiveInt = 11
    reserve_units: Annotated[int, Meta(ge=0)] = 0
    statistics_daily_units: PositiveInt = 10_000
    units_per_channel: PositiveInt = 1
    """Of channels.list, which finds the uploads of a channel."""
    units_per_page: PositiveInt = 1
    """Of playlistItems.list, which lists 50 videos."""

    @property
    def spendable_units(self) -> int:
        """Units a day that runs may spend: the reserve is left out."""
        return self.daily_units - self.reserve_units

    def __post_init__(self) -> None:
        for name in ("units_per_call", "units_per_channel", "units_per_page"):
            if self.spendable_units < (price := getattr(self, name)):
                raise ValueError(
                    f"quota.daily_units ({self.daily_units}) less quota.reserve_units ({self.reserve_units}) "
                    f"does not pay for one call of quota.{name} ({price})"
                )


class StatisticsSettings(Struct, frozen=True):
    """The history of views, likes and comments."""

    every: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,3}[dw]$")] | None = None
    """How often `harvester run` fetches them again, in quota days or weeks: `1d`. None: it does not."""
    keep_days: Annotated[int, Meta(gt=0, le=36_500)] = 30

    @property
    def every_days(self) -> int | None:
        """`every` in quota days."""
        return int(self.every[:-1]) * (7 if self.every[-1] == "w" else 1) if self.every else None


class DiscoverSettings(Struct, frozen=True):
    """The channels and playlists of `harvester discover`."""

    again: bool = False
    """Whether each run looks for new videos in those that are done."""


class RunSettings(Struct, frozen=True):
    """Calls: how many at once, how long each may take, how often to try."""

    concurrency: Annotated[int, Meta(gt=0, le=1000)] = 50
    timeout_seconds: Annotated[float, Meta(gt=0, le=3600)] = 30
    max_attempts: Annotated[int, Meta(gt=0, le=100)] = 5
    patience_seconds: Annotated[float, Meta(ge=0)] = 600
    """Seconds without a good answer after which the API counts as down."""


def noun_of(table: Literal["videos", "statistics"]) -> str:
    """Return what a row of an exported table is called."""
    return "video" if table == "videos" else "row"


class ExportSettings(Struct, frozen=True):
    """Where the stored responses are published, and how. The last five are for S3."""

    uri: str = "songs.json"
    format: Literal["json", "jsonl", "parquet", "csv", "csv-safe", "sqlite"] = "json"
    compression: Literal["none", "gzip", "zstd"] = "none"
    table: Literal["videos", "statistics"] = "videos"
    """What a row is: a video, or a fetch of its counts."""
    max_part_bytes: PositiveInt | None = None
    """If set, `uri` is a folder of parts, none of them larger."""
    keep_superseded: bool = False
    """Whether the parts of the export before stay in the folder until the next one."""
    region: str | None = None
    acl: Acl = "private"
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = None
    kms_key_id: str | None = None
    storage_class: str | None = None

    def __post_init__(self) -> None:
        if self.format in COMPRESSED_WITHIN and self.compression != "none":
            raise ValueError(f"export.compression is for json, jsonl and csv. {COMPRESSED_WITHIN[self.format]}")
        if self.format == "sqlite" and self.max_part_bytes is not None:
            raise ValueError("export.max_part_bytes makes a folder of parts, and a SQLite database is one file")
        if self.table == "statistics" and self.max_part_bytes is not None:
            raise ValueError("export.max_part_bytes makes a folder of parts, and the table of statistics is one file")
        if self.kms_key_id is not None and self.encryption in (None, "AES256"):
            raise ValueError('export.kms_key_id needs export.encryption = "aws:kms"')


class ReportSettings(Struct, frozen=True):
    """What is told of the crawl: the page of `status --html`, and the summaries of [notify]."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    """Of the crawl. None: the name of the folder; see `Config.crawl_name`."""
    html: Annotated[str, _page_place] | None = None
    """The page of `status --html`: a path, or s3://bucket/key, which is stored as [export] says."""


class LogSettings(Struct, frozen=True):
    """Log lines."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"


class NotifySettings(Struct, frozen=True):
    """Where notices of runs go. An address may hold a token, so it is treated as a secret."""

    url: Annotated[Secret, _notice_address] | None = None
    """The health check that each run pings when it begins, ends well or fails."""
    webhook: Annotated[Secret, _notice_address] | None = None
    """Where the summary of each day is posted."""
    webhook_format: Literal["slack", "json"] = "slack"


class Config(Struct, frozen=True):
    """All settings, frozen."""

    source: SourceSettings = SourceSettings()
    ledger: LedgerSettings = LedgerSettings()
    youtube: YouTubeSettings = YouTubeSettings()
    quota: QuotaSettings = QuotaSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    discover: DiscoverSettings = DiscoverSettings()
    run: RunSettings = RunSettings()
    export: ExportSettings = ExportSettings()
    report: ReportSettings = ReportSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()
    file: Path | None = None
    """The file that the settings were read from, if any."""

    @property
    def crawl_name(self) -> str:
        """`report.name`, or the name of the folder of the configuration, else of the ledger; else the ledger's."""
        place = self.file or self.ledger.path
        name = self.report.name or (place.absolute().parent.name if place else "")
        return shown(name, 100) or self.ledger.name


SECTIONS: dict[str, type[Struct]] = {
    field.name: type(field.default) for field in fields(Config) if isinstance(field.default, Struct)
}
"""The sections of the file, by name."""


def find_config(explicit: Path | None) -> Path | None:
    """Return the file to read: the option, `$HARVESTER_CONFIG`, or `./config.toml` if it exists."""
    if named := explicit or os.environ.get("HARVESTER_CONFIG"):
        return Path(named)
    default = Path("config.toml")
    return default if default.is_file() else None


def load_config(path: Path | None = None, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Config:
    """Read the settings. `overrides` are options, `{section: {key: value}}`; a None value is no override.

    The file must work by itself, so that nothing wrong in it shows up only once a variable is gone. Raises ConfigError,
    with the key, if a setting is unknown, of the wrong type or contradicts another.
    """
    from_file = read_toml(path) if path is not None else {}
    options = {s: {k: v for k, v in keys.items() if v is not None} for s, keys in (overrides or {}).items()}
    try:
        _built(from_file, path)
        config = _built(merged(*with_export_by_name(merged(from_file, read_environment(SECTIONS)), options)), path)
    except UnicodeEncodeError:
        what, step = "A setting in the environment is no UTF-8.", "Name such a place by an option or a relative path."
        raise ConfigError(what, state=NOTHING_DONE, next_step=step) from None
    file = path.absolute() if path is not None else None
    config = _anchor_paths(replace(config, file=file), path.parent if path else Path())
    if config.report.html is not None and config.report.html == config.export.uri:
        raise _refusal([Problem("", "report.html and export.uri must be two places")], path)
    return config


def isolated_config(values: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return a configuration of these values and the defaults, independent of files and the environment.

    Raises ConfigError as `load_config` does.
    """
    return _built(values, None)


def _built(values: Mapping[str, Any], path: Path | None) -> Config:
    sections, problems = build(SECTIONS, values)
    if problems:
        raise _refusal(problems, path)
    return Config(**sections)


def _refusal(problems: Sequence[Problem], path: Path | None) -> ConfigError:
    lines = [f"The settings do not work ({shown(str(path or 'environment and defaults'))}):"]
    for key, message in problems:
        variable = next((name for name in os.environ if key and name.upper() == variable_of(key)), "")
        name = shown(f"{key} ({variable})" if variable else key)
        lines.append(f"  {name}: {message}" if name else f"  {message}")
    return ConfigError("\n".join(lines), state=NOTHING_DONE, next_step="Fix the setting and run the command again.")


def _anchor_paths(config: Config, folder: Path) -> Config:
    """Make local paths absolute: cron's working directory is not the user's."""
    base = folder.absolute()
    source = replace(config.source, uri=_anchor(config.source.uri, base))
    ledger = config.ledger
    if ledger.path is not None:
        ledger = replace(ledger, url=f"sqlite:///{base / ledger.path}")
    export = replace(config.export, uri=_anchor(config.export.uri, base))
    report = replace(config.report, html=_anchor(config.report.html, base))
    return replace(config, source=source, ledger=ledger, export=export, report=report)


def _anchor(uri: str | None, base: Path) -> str | None:
    if uri is None or uri == "-" or "://" in uri:
        return uri
    return str(base / Path(uri).expanduser())
