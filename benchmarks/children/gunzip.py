"""Every stored body unpacked, and nothing else: `python -m benchmarks.children.gunzip LEDGER [sha256]`.

With `sha256` each body is hashed as well, as it is stored: what a proof of the ledger can't do without.
"""

from __future__ import annotations

import gzip
import hashlib
import sqlite3
import sys


def main(ledger: str, hashed: str = "") -> None:
    for (body,) in sqlite3.connect(f"file:{ledger}?mode=ro", uri=True).execute("SELECT body FROM responses"):
        gzip.decompress(body)
        if hashed:
            hashlib.sha256(body).digest()


if __name__ == "__main__":
    main(*sys.argv[1:])
