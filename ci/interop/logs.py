"""HdrHistogram logs and Parquet by other programs: `hdrhistogram` and `pyarrow` from PyPI. Part of ci/interop-hlog.

logs.py values FILE NOW_MS       made-up delays, interval by interval, as JSON
logs.py write VALUES LOG         these as a log by the library's writer
logs.py read VALUES LOG          whether the library reads them from our log
logs.py parquet VALUES FILE      whether pyarrow reads them from our Parquet
"""

import json
import random
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader, HistogramLogWriter

LENGTH_MS = 10_000
PERCENTILES = [1, 10, 25, 50, 75, 90, 99, 99.9, 100]


def new():
    return HdrHistogram(1, 60_000_000, 3)


def of(values):
    histogram = new()
    for value in values:
        histogram.record_value(value)
    return histogram


def bins(histogram):
    """Count by lowest delay of the bucket."""
    found = {}
    for item in histogram.get_recorded_iterator():
        low = histogram.get_lowest_equivalent_value(item.value_iterated_to)
        found[low] = item.count_at_value_iterated_to
    return found


def values(file, now_ms):
    random.seed(8762)
    start_ms = (int(now_ms) // LENGTH_MS - 60) * LENGTH_MS
    intervals = []
    for slot in range(40):
        delays = [min(60_000_000, max(1, int(random.lognormvariate(9, 1.5)))) for _ in range(201)]
        delays += [1, 60_000_000] if slot % 10 == 0 else []
        intervals.append({"start_ms": start_ms + slot * LENGTH_MS, "values": delays})
    json.dump(intervals, open(file, "w"))


def write(intervals, file):
    with open(file, "w") as out:
        writer = HistogramLogWriter(out)
        writer.output_comment("[written by another library]")
        writer.output_log_format_version()
        writer.output_legend()
        for interval in intervals:
            start_s = interval["start_ms"] / 1000
            writer.output_interval_histogram(of(interval["values"]), start_s, start_s + LENGTH_MS / 1000, 1000)


def read(intervals, file):
    reader = HistogramLogReader(file, new())
    for number, interval in enumerate(intervals):
        expected, found = of(interval["values"]), reader.get_next_interval_histogram()
        assert found, f"{file}: {number} intervals, not {len(intervals)}"
        assert found.get_start_time_stamp() == interval["start_ms"], (number, found.get_start_time_stamp())
        assert found.get_end_time_stamp() == interval["start_ms"] + LENGTH_MS
        assert found.get_tag() and found.get_tag().startswith("agent=interop-"), found.get_tag()
        assert found.get_total_count() == len(interval["values"])
        assert bins(found) == bins(expected), f"interval {number}"
        for percentile in PERCENTILES:
            ours, theirs = (one.get_value_at_percentile(percentile) for one in (found, expected))
            assert ours == theirs, (number, percentile, ours, theirs)
    assert not reader.get_next_interval_histogram(), "more intervals than were written"


def parquet(intervals, file):
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(file).to_pylist()
    assert len(rows) == len(intervals), len(rows)
    for row, interval in zip(rows, intervals):
        expected = of(interval["values"])
        assert int(row["start_at"].timestamp() * 1000) == interval["start_ms"], row["start_at"]
        assert row["n"] == row["sent"] == len(interval["values"]), row["n"]
        assert {one["low_us"]: one["count"] for one in row["bins"]} == bins(expected)
        assert row["max_us"] == expected.get_value_at_percentile(100), row["max_us"]


if __name__ == "__main__":
    command, first, second = sys.argv[1:]
    if command == "values":
        values(first, second)
    else:
        {"write": write, "read": read, "parquet": parquet}[command](json.load(open(first)), second)
