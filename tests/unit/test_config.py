"""Settings: what is read from where, and what is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from harvester.cli.init import TEMPLATE
from harvester.config import Config, find_config, isolated_config, load_config
from harvester.errors import ConfigError, CredentialsError
from harvester.support.api_key import api_key

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("HARVESTER_", "YOUTUBE_API_KEY")):
            monkeypatch.delenv(name)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_real_crawl_s_settings() -> None:
    config = load_config(CHECKOUT / "config.toml")
    assert config.source.uri == "s3://full-stack-bigdata-datasets/Big_Data/youtube_playlog.csv"
    assert (config.source.column, config.source.anonymous) == ("song", True)
    assert config.youtube.parts == ("snippet", "contentDetails", "status", "statistics", "topicDetails")
    assert (config.quota.daily_units, config.quota.units_per_call, config.quota.reserve_units) == (10_000, 11, 0)
    assert (config.run.concurrency, config.run.timeout_seconds, config.run.max_attempts) == (50, 30, 5)
    assert config.export.uri == "s3://jedha-cloud-storage-157/youtube/george-abitbol/songs.json"
    assert (config.export.region, config.export.acl, config.export.compression) == ("eu-west-3", "private", "none")
    assert (config.log.level, config.log.format) == ("INFO", "text")


def test_the_written_template_says_just_the_defaults(tmp_path: Path) -> None:
    defaults = load_config(write(tmp_path, ""))
    written = load_config(write(tmp_path, TEMPLATE.read_text(encoding="utf-8")))
    assert replace(written, source=defaults.source) == defaults
    assert written.source.uri == str(tmp_path / "songs.csv")


def test_options_beat_the_environment_which_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[run]\nconcurrency = 1\nmax_attempts = 1\ntimeout_seconds = 1\n")
    monkeypatch.setenv("HARVESTER_RUN__CONCURRENCY", "2")
    monkeypatch.setenv("HARVESTER_RUN__MAX_ATTEMPTS", "2")
    run = load_config(path, {"run": {"concurrency": 3, "max_attempts": None}}).run
    assert (run.concurrency, run.max_attempts, run.timeout_seconds) == (3, 2, 1)


def test_the_environment_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARVESTER_SOURCE__ANONYMOUS", "true")
    monkeypatch.setenv("HARVESTER_YOUTUBE__PARTS", '["snippet", "statistics"]')
    config = load_config()
    assert config.source.anonymous
    assert config.youtube.parts == ("snippet", "statistics")


@pytest.mark.parametrize(
    ("name", "text", "setting", "value"),
    [
        ("HARVESTER_SOURCE__ANONYMOUS", "Yes", "source.anonymous", True),
        ("HARVESTER_SOURCE__ANONYMOUS", "off", "source.anonymous", False),
        ("HARVESTER_QUOTA__DAILY_UNITS", " 9_000 ", "quota.daily_units", 9000),
        ("HARVESTER_EXPORT__MAX_PART_BYTES", "100000000", "export.max_part_bytes", 100_000_000),
        ("HARVESTER_RUN__TIMEOUT_SECONDS", "2.5", "run.timeout_seconds", 2.5),
        ("HARVESTER_RUN__TIMEOUT_SECONDS", "", "run.timeout_seconds", 30),
        ("harvester_report__name", "7", "report.name", "7"),
    ],
)
def test_a_variable_is_read_as_its_setting_s_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, setting: str, value: object
) -> None:
    monkeypatch.setenv(name, text)
    section, _, key = setting.partition(".")
    read = getattr(getattr(load_config(write(tmp_path, "")), section), key)
    assert (type(read), read) == (type(value), value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = '[run]\nconcurrency = "5"\nmax_attempts = 0\n[export]\nformat = "jsn"\n[quota]\nreserve_units = 9_990\n'
    with pytest.raises(ConfigError) as refusal:
        load_config(write(tmp_path, text))
    assert refusal.value.what.splitlines()[1:] == [
        "  run.concurrency: must be a whole number, not a text",
        "  run.max_attempts: must be a whole number >= 1",
        "  export.format: must be json, jsonl, parquet, csv, csv-safe or sqlite, not 'jsn'. Did you mean 'json'?",
        "  quota: quota.daily_units (10000) less quota.reserve_units (9990) does not pay for one call of "
        "quota.units_per_call (11)",
    ]


def test_so_are_wrong_settings_of_one_section_and_no_contradiction_of_a_wrong_value(tmp_path: Path) -> None:
    text = '[youtube]\nbase_url = "ftp://host"\nparts = []\n[quota]\ndaily_units = "9"\nunits_per_call = 20_000\n'
    with pytest.raises(ConfigError) as refusal:
        load_config(write(tmp_path, text))
    assert refusal.value.what.splitlines()[1:] == [
        "  youtube.base_url: must be an http or https address",
        "  youtube.parts: must name at least one part",
        "  quota.daily_units: must be a whole number, not a text",
    ]


def test_secrets_are_in_no_repr() -> None:
    notify = {"url": "https://hc.example/secret-ping", "webhook": "https://chat.example/secret-hook"}
    config = isolated_config({"notify": notify, "ledger": {"url": "postgresql://me:secret-word@host/db"}})
    assert "secret" not in repr(config)
    assert config.notify.url is not None
    assert config.notify.url.get_secret_value() == notify["url"]


def test_a_crawl_is_named_as_the_settings_say_or_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    assert load_config(write(folder, "")).crawl_name == "songs"
    assert load_config(write(folder, '[ledger]\nurl = "postgresql://me@host/db"\n')).crawl_name == "songs"
    assert load_config(write(folder, '[report]\nname = "Playlog"\n')).crawl_name == "Playlog"
    assert isolated_config({"ledger": {"url": f"sqlite:///{folder}/h.db"}}).crawl_name == "songs"
    assert isolated_config({"ledger": {"url": "sqlite:////h.db"}}).crawl_name == "h.db"
    assert isolated_config({"ledger": {"url": "postgresql://me:pw@host/db"}}).crawl_name == "postgresql://host/db"
    assert isolated_config({"report": {"name": "a\n\x1b[2Jb"}}).crawl_name == "a [2Jb"
    with pytest.raises(ConfigError, match=r"report\.name: "):
        load_config(write(folder, '[report]\nname = ""\n'))


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "crawl"
    folder.mkdir()
    path = folder / "config.toml"
    path.write_text('[source]\nuri = "ids.csv"\n[ledger]\nurl = "sqlite:///db/h.db"\n[export]\nuri = "out.json"\n')
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("crawl/config.toml"))
    assert config.source.uri == str(folder / "ids.csv")
    assert config.ledger.path == folder / "db/h.db"
    assert config.export.uri == str(folder / "out.json")


def test_addresses_and_absolute_paths_stay_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, '[source]\nuri = "-"\n[ledger]\nurl = "sqlite:////var/h.db"\n[export]\nuri = "s3://b/k"\n')
    config = load_config(path)
    assert (config.source.uri, config.ledger.path, config.export.uri) == ("-", Path("/var/h.db"), "s3://b/k")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[runn]\nconcurrency = 5", "runn: there is no such setting. Did you mean 'run'?"),
        ("[run]\nconcurency = 5", "run.concurency: there is no such setting. Did you mean 'run.concurrency'?"),
        ("[run]\ndaily_units = 5", "Did you mean 'quota.daily_units'?"),
        ("concurrency = 5", "Did you mean 'run.concurrency'?"),
        ("[run]\nweather = 5", "run.weather: there is no such setting."),
        ('[run]\nconcurrency = "5"', "run.concurrency"),
        ("[run]\nconcurrency = true", "run.concurrency"),
        ("[run]\nconcurrency = 1.5", "run.concurrency"),
        ("[run]\nconcurrency = 0", "run.concurrency"),
        ("[run]\ntimeout_seconds = -1", "run.timeout_seconds"),
        ("run = 5", "run"),
        ("[quota]\nunits_per_call = 0", "quota.units_per_call"),
        ("[quota]\ndaily_units = 10\nunits_per_call = 11", "quota.units_per_call"),
        ("[quota]\nreserve_units = 9_990", "quota.reserve_units"),
        ('[youtube]\nbase_url = "ftp://example.org"', "youtube.base_url"),
        ('[youtube]\nbase_url = "https://example.org/v3?key=abc"', "youtube.base_url"),
        ('[youtube]\nparts = ["snippets"]', "youtube.parts: unknown part 'snippets'. Did you mean 'snippet'?"),
        ("[youtube]\nparts = []", "youtube.parts"),
        ('[export]\nformat = "xml"', "export.format"),
        ('[export]\nacl = "everyone"', "export.acl"),
        ('[youtube]\nbase_url = "https://example.org:99999/v3"', "youtube.base_url"),
        ('[youtube]\nbase_url = "https://[::1/v3"', "youtube.base_url"),
        ('[ledger]\nurl = "mysql://localhost/db"', "ledger.url"),
        ('[ledger]\nurl = "postgresql://[::1/db"', "ledger.url"),
        ('[log]\nlevel = "LOUD"', "log.level"),
    ],
)
def test_what_cannot_work_is_refused_with_the_name_of_the_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_config(write(tmp_path, text))
    assert key in refusal.value.what
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "HARVESTER_RUN__CONCURRENCY",
            "many",
            "concurrency (HARVESTER_RUN__CONCURRENCY): must be a whole number, not a text",
        ),
        ("HARVESTER_RUN__CONCURENCY", "5", "run.concurency (HARVESTER_RUN__CONCURENCY): there is no such setting. Did"),
        ("HARVESTER_RUNS__CONCURRENCY", "5", "HARVESTER_RUNS__CONCURRENCY: there is no section [runs]. Did you mean"),
        ("HARVESTER_RUN_CONCURRENCY", "5", "HARVESTER_RUN_CONCURRENCY: there is no such setting. Did you mean"),
        (
            "HARVESTER_LEDGER",
            "sqlite:///h.db",
            "HARVESTER_LEDGER: there is no such setting, only HARVESTER_LEDGER__<KEY>.",
        ),
        ("HARVESTER_YOUTUBE__PARTS", "snippet", "parts (HARVESTER_YOUTUBE__PARTS): must be a list, not a text"),
    ],
)
def test_a_variable_that_cannot_work_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refusal:
        load_config(write(tmp_path, ""))
    assert message in refusal.value.what
    assert refusal.value.state
    assert refusal.value.next_step


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"[run", "not valid TOML: Expected"),
        (b'a = "\xff"', "not valid TOML: it is no UTF-8"),
        (b"run = 3", "do not work"),
        (None, "no configuration"),
    ],
)
def test_a_file_that_is_no_toml_or_not_there_is_refused(tmp_path: Path, content: bytes | None, what: str) -> None:
    file = tmp_path / "some.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=what) as refusal:
        load_config(file)
    assert refusal.value.state
    assert refusal.value.next_step


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as refusal:
        load_config(tmp_path)
    assert refusal.value.state
    assert refusal.value.next_step


def test_the_file_is_the_option_then_the_variable_then_the_folder_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config(None) is None
    write(tmp_path, "")
    assert find_config(None) == Path("config.toml")
    monkeypatch.setenv("HARVESTER_CONFIG", "other.toml")
    assert find_config(None) == Path("other.toml")
    assert find_config(Path("third.toml")) == Path("third.toml")


def test_settings_are_frozen(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, ""))
    with pytest.raises(AttributeError, match="immutable"):
        config.run.concurrency = 3  # type: ignore[misc]


def test_an_isolated_configuration_hears_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_LEDGER__URL", "sqlite:////precious.db")
    assert isolated_config({}) == Config()
    assert isolated_config({}).ledger.url == "sqlite:///harvest.db"


def test_the_key_comes_from_the_variable_or_the_file_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CredentialsError, match="no API key"):
        api_key()
    file = tmp_path / "key"
    file.write_text("from-file\n")
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(file))
    assert api_key().get_secret_value() == "from-file"
    monkeypatch.setenv("YOUTUBE_API_KEY", " from-variable ")
    assert api_key().get_secret_value() == "from-variable"
    assert "from-variable" not in repr(api_key())


@pytest.mark.parametrize("key", ["with space", "with\ttab", "wïth-accent"])
def test_a_key_that_no_header_can_carry_is_refused_unsaid(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY", key)
    with pytest.raises(CredentialsError) as refusal:
        api_key()
    assert key not in str(refusal.value)


def test_a_key_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(CredentialsError, match="YOUTUBE_API_KEY_FILE"):
        api_key()
