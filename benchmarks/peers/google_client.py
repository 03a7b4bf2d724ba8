"""Google's own client in threads, a connection each as its guide asks, all answers in a list."""

import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import httplib2
from contract import BATCH, KEY, PARTS, full, read_job, tell

with warnings.catch_warnings():
    # what the import warns about is not ours to mend
    warnings.simplefilter("ignore")
    from googleapiclient.discovery import build

job = read_job()
here = threading.local()
endpoint = job.base_url.removesuffix("/youtube/v3")


def service():
    """This thread's service; a Http is not thread-safe."""
    if not hasattr(here, "service"):
        options = {"api_endpoint": endpoint}
        http = httplib2.Http(timeout=60)
        here.service = build(
            "youtube", "v3", http=http, developerKey=KEY, static_discovery=True, client_options=options
        )
    return here.service


def fetch(batch: list[str]) -> object:
    """One answer, parsed. httplib2 asks for gzip by itself."""
    assert len(batch) <= BATCH
    return service().videos().list(part=PARTS, id=",".join(batch)).execute()


began = time.perf_counter()
with ThreadPoolExecutor(job.concurrency) as pool:
    answers = list(pool.map(fetch, job.batches))
seconds = time.perf_counter() - began
ok = sum(map(full, answers))
tell(job, "google-api-python-client", ok=ok, seconds=seconds, kept="memory", durable="nothing")
