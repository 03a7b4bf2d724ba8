"""The course's way to publish: the whole list as one text, sent at once.

`python -m benchmarks.children.course_export LEDGER BUCKET KEY`

Its list stands in memory from the crawl, so what it takes to make it here is not counted: the seconds of the
publication alone are printed.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
import time

import boto3


def main(ledger: str, bucket: str, key: str) -> None:
    bodies = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True).execute("SELECT body FROM responses")
    responses = [json.loads(gzip.decompress(body)) for (body,) in bodies]
    began = time.perf_counter()
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(responses))
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
