"""youtool's `videos_infos`, one call after another: it has no setting for more. All videos in a list.

Nor has it one for the API's address: `base_url` is an attribute of its class, set here.
"""

import time

from contract import BATCH, KEY, read_job, tell
from youtool import YouTube

job = read_job()
YouTube.base_url = f"{job.base_url}/"
began = time.perf_counter()
videos = list(YouTube([KEY]).videos_infos(job.ids))
seconds = time.perf_counter() - began
tell(job, "youtool", ok=len(videos) // BATCH, seconds=seconds, kept="memory, chosen columns", durable="nothing")
