"""`harvester` whose bar and log lines come more often than a short command would see them."""

import sys

from harvester.cli.program import main
from harvester.cli.shared import crawl_progress, progress_line

if __name__ == "__main__":
    progress_line.DRAW_SECONDS, progress_line.LINE_SECONDS, crawl_progress.UPDATE_SECONDS = 0.005, 0.0, 0.02
    main(sys.argv[1:], prog_name="harvester")
