"""The course's next notebook: PySpark on what was published. Skipped where there is no Java 17 or no PySpark."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from figures import CHANNEL, VIEWS, ByChannel, by_channel, nulls, same_figures
from hostile import hostile_videos
from published import pages_of, publish, reader_of, some_parts
from reference import expected, micros, moments, parsed, plain_row
from waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def java_version() -> int:
    """0 where there is none."""
    java = shutil.which("java")
    output = subprocess.run([java, "-version"], capture_output=True, text=True).stderr if java else ""
    found = re.search(r'version "([0-9]+)', output)
    return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One small Spark for all tests of this file, which talks to this machine alone."""
    if java_version() < 17:
        pytest.skip("Spark needs Java 17 or later")
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: make test does it where Java is")
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.shuffle.partitions": "1",
        # Far from UTC, so that a timestamp read as local time is seen.
        "spark.sql.session.timeZone": "Asia/Kathmandu",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    }
    builder = sql.SparkSession.builder.master("local[1]").appName("harvester's exports")
    for name, value in settings.items():
        builder = builder.config(name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.delenv("SPARK_HOME", raising=False)
        session = builder.getOrCreate()
    yield session
    gateway = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(LIMIT_SECONDS)


def figures_of(frame: DataFrame, channel: str, views: Any) -> ByChannel:
    """As the notebook asks for them."""
    from pyspark.sql import functions as F  # noqa: N812

    grouped = frame.groupBy(channel).agg(F.sum(views), F.mean(views), F.min(views), F.max(views), F.stddev(views))
    return {row[0]: tuple(row[1:]) for row in grouped.collect()}


def nulls_of(frame: DataFrame) -> dict[str, int]:
    from pyspark.sql import functions as F  # noqa: N812

    row = frame.select([F.count_if(F.col(name).isNull()).alias(name) for name in frame.columns]).first()
    assert row is not None
    return row.asDict()


@pytest.mark.parametrize("in_parts", [False, True], ids=["file", "parts"])
def test_the_notebook_on_parquet(spark: SparkSession, real_videos: list[bytes], tmp_path: Path, in_parts: bool) -> None:
    reader = reader_of(pages_of(real_videos))
    place = publish(reader, tmp_path, "parquet", part_bytes=some_parts(reader, "parquet") if in_parts else None)
    songs = spark.read.parquet(str(place))
    assert same_figures(figures_of(songs, CHANNEL, VIEWS), by_channel(real_videos))
    columns = [name for name in songs.columns if name not in ("other_json", "fetched_at")]
    assert nulls_of(songs.select(columns)) == nulls(real_videos, columns)


@pytest.mark.parametrize(
    ("name", "packing", "in_parts"),
    [("jsonl", "gzip", True), ("json", "none", False)],
)
def test_the_notebook_on_json(
    spark: SparkSession, real_videos: list[bytes], tmp_path: Path, name: str, packing: str, in_parts: bool
) -> None:
    from pyspark.sql import functions as F  # noqa: N812

    reader = reader_of(pages_of(real_videos))
    place = publish(reader, tmp_path, name, packing, some_parts(reader, name, packing) if in_parts else None)
    songs = spark.read.json(str(place), multiLine=name == "json")
    if name == "json":
        songs = songs.select(F.explode("items").alias("song")).select("song.*")
    assert songs.count() == len(real_videos)
    views = F.col("statistics.viewCount").cast("long")
    assert same_figures(figures_of(songs, "snippet.channelTitle", views), by_channel(real_videos))
    some = songs.select(*("id", "etag", "snippet.tags", "statistics.likeCount", "contentDetails.duration"))
    wanted = nulls(real_videos, ["id", "etag", "snippet_tags", "statistics_likeCount", "contentDetails_duration_iso"])
    assert list(nulls_of(some).values()) == list(wanted.values())


def test_every_column_of_hostile_videos(spark: SparkSession, tmp_path: Path) -> None:
    videos = hostile_videos()
    songs = spark.read.parquet(str(publish(reader_of(pages_of(videos)), tmp_path, "parquet")))
    whole = songs.selectExpr(
        *(f"unix_micros({name}) AS {name}" if name in moments() else name for name in songs.columns)
    )
    rows = [row.asDict(recursive=True) for row in whole.collect()]
    for raw, row in zip(videos, rows, strict=True):
        del row["fetched_at"]
        other = row.pop("other_json")
        columns, rest = expected(raw)
        assert plain_row(row) == {name: micros(value) for name, value in columns.items()}, raw[:300]
        assert (parsed(other) if other is not None else {}) == rest


def test_types_are_sparks_own(spark: SparkSession, real_videos: list[bytes], tmp_path: Path) -> None:
    songs = spark.read.parquet(str(publish(reader_of(pages_of(real_videos)), tmp_path, "parquet")))
    types = dict(songs.dtypes)
    assert types["statistics_viewCount"] == types["contentDetails_duration"] == "bigint"
    assert types["snippet_publishedAt"] == types["fetched_at"] == "timestamp"
    assert types["contentDetails_caption"] == "boolean"
    assert types["snippet_tags"] == "array<string>"
    assert types["contentDetails_contentRating"] == "map<string,string>"
    assert types["localizations"] == "map<string,struct<title:string,description:string>>"
    assert types["contentDetails_regionRestriction"] == "struct<allowed:array<string>,blocked:array<string>>"
    widths = [expected(raw)[0].get("snippet_thumbnails", {}).get("default", {}).get("width") for raw in real_videos]
    assert [row[0] for row in songs.select("snippet_thumbnails.default.width").collect()] == widths


def test_the_notebook_as_it_is_documented(
    spark: SparkSession, real_videos: list[bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text[text.index("**Spark** reads a folder") :], re.DOTALL)
    assert code is not None
    reader = reader_of(pages_of(real_videos))
    place = publish(reader, tmp_path, "parquet", part_bytes=some_parts(reader, "parquet"))
    superseded = min(place.iterdir())
    shutil.copy(superseded, superseded.with_name("part-000000000001-0000000000000000.parquet"))
    names: dict[str, Any] = {"spark": spark}
    exec(code[1].replace("s3a://bucket/youtube/songs", str(place)), names)
    assert names["songs"].count() == len(real_videos)
    shown = capfd.readouterr().out
    assert "sum(statistics_viewCount)" in shown
    assert "other_json" in shown
