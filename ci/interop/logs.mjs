// HdrHistogram logs by another program: `hdr-histogram-js` from npm. Part of ci/interop-hlog.
//
// logs.mjs write VALUES LOG        made-up delays as a tagged log by the library's writer
// logs.mjs read VALUES LOG CSV     whether the library reads them from our log, with the quantiles of our CSV
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

// From where it was installed, not from beside this file.
const hdr = createRequire(`${process.env.INTEROP_MODULES}/`)('hdr-histogram-js');
const LENGTH_MS = 10_000;

function of(values) {
    const histogram = hdr.build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: 60_000_000,
        numberOfSignificantValueDigits: 3,
    });
    for (const value of values) histogram.recordValue(value);
    return histogram;
}

function write(intervals, file) {
    let text = '';
    const writer = new hdr.HistogramLogWriter((more) => (text += more));
    writer.outputLogFormatVersion();
    writer.outputStartTime(intervals[0].start_ms);
    writer.outputLegend();
    for (const { start_ms, values } of intervals) {
        const histogram = of(values);
        histogram.tag = 'api';
        writer.outputIntervalHistogram(histogram, start_ms / 1000, (start_ms + LENGTH_MS) / 1000);
    }
    writeFileSync(file, text);
}

function read(intervals, file, csv) {
    const [head, ...lines] = readFileSync(csv, 'utf8').trimEnd().split('\r\n');
    const columns = head.split(',');
    assert.equal(lines.length, intervals.length);
    const reader = new hdr.HistogramLogReader(readFileSync(file, 'utf8'));
    for (const [number, { start_ms, values }] of intervals.entries()) {
        const expected = of(values);
        const found = reader.nextIntervalHistogram();
        assert.ok(found, `${file}: ${number} intervals, not ${intervals.length}`);
        assert.equal(found.startTimeStampMsec, start_ms);
        assert.equal(found.totalCount, values.length);
        assert.match(found.tag, /^agent=interop-/);
        for (let percentile = 1; percentile <= 100; percentile += 0.5)
            assert.equal(found.getValueAtPercentile(percentile), expected.getValueAtPercentile(percentile));
        const fields = lines[number].split(',');
        const told = (name) => Number(fields[columns.indexOf(name)]);
        assert.equal(told('n'), values.length);
        // The library tells the highest value of a bucket, Azimuth the middle.
        for (const [name, percentile] of [['p10_us', 10], ['p50_us', 50], ['p90_us', 90], ['p99_us', 99]]) {
            const middle = expected.medianEquivalentValue(expected.getValueAtPercentile(percentile));
            assert.equal(told(name), middle, `${name} of interval ${number}`);
        }
        assert.equal(told('max_us'), expected.getValueAtPercentile(100), `max_us of interval ${number}`);
    }
    assert.equal(reader.nextIntervalHistogram(), null);
}

const [command, values, ...files] = process.argv.slice(2);
({ write, read })[command](JSON.parse(readFileSync(values, 'utf8')), ...files);
