"""What a run says: loading its record, statistics, figures and reports.

    run = mesocosm.load("run.h5")
    run.summary()                 # delivery ratio, latency percentiles, duplicates, bytes
    run.deliveries                # a pandas DataFrame
    mesocosm.analysis.write_report(run, "report.html")
"""

from .load import Run, load
from .report import write_report
from .statistics import Summary, percentile, summarize

__all__ = ["Run", "Summary", "load", "percentile", "summarize", "write_report"]
