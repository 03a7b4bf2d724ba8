"""The page of `status --html` as an object that a browser shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from children import Program

if TYPE_CHECKING:
    from conftest import S3


def test_the_page_is_an_object_of_html(s3: S3, crawled: Program) -> None:
    crawled.env |= {"HARVESTER_EXPORT__REGION": "eu-west-3", "HARVESTER_REPORT__HTML": f"s3://{s3.bucket}/a/page.html"}
    done = crawled.run("status", "--html", f"s3://{s3.bucket}/report.html")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    stored = s3.client.get_object(Bucket=s3.bucket, Key="report.html")
    assert stored["ContentType"] == "text/html; charset=utf-8"
    assert "harvester-manifest" not in stored["Metadata"], "there is none"
    assert b"Every id is settled" in stored["Body"].read()
    crawled.env["YOUTUBE_API_KEY"] = "any"
    assert crawled.run("run").returncode == 0
    assert b"Every id is settled" in s3.content("a/page.html")


def test_a_bucket_that_is_not_there_is_one_warning(s3: S3, crawled: Program) -> None:
    crawled.env |= {"HARVESTER_REPORT__HTML": "s3://no-such-bucket-anywhere/page.html", "YOUTUBE_API_KEY": "any"}
    done = crawled.run("run")
    assert done.returncode == 0
    assert done.stderr.count("the page of report.html was not written: ") == 1
    assert done.stdout.startswith("Nothing left: 0 calls")
