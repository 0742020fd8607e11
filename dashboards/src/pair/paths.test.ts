// Marks of path changes: where they stand and what they say.
import { describe, expect, test } from 'vitest';
import type { PathsAnswer } from '../api/model.ts';
import { pathMarks } from './paths.ts';

const hop = (number: number, addresses: string[], median_us: number | null = 1000) => ({
  hop: number,
  addresses,
  sent: 3,
  answered: addresses.length === 0 ? 0 : 3,
  min_us: median_us,
  median_us: addresses.length === 0 ? null : median_us,
});
const path = (hops: string[][]) => ({ reached: true, hops: hops.map((one, index) => hop(index + 1, one)) });

const answer: PathsAnswer = {
  from: '2026-11-23T10:00:00Z',
  to: '2026-11-23T11:00:00Z',
  agent: 'paris-1',
  zone: 'aws/eu-west-3/euw3-az1',
  targets: [
    {
      target: 'one',
      address: '10.0.0.9:8620',
      method: 'stamp',
      current: null,
      changes: [
        {
          at: '2026-11-23T10:40:00Z',
          reason: 'delay_shift',
          before: path([['10.0.0.1'], ['10.0.0.2'], ['10.0.0.9']]),
          after: path([['10.0.0.1'], ['10.0.0.3', '10.0.0.4'], [], ['10.0.0.9']]),
          differs_at: [2, 4],
        },
        {
          at: '2026-11-23T10:10:00Z',
          reason: 'scheduled',
          before: path([['10.0.0.9']]),
          after: path([['10.0.0.9']]),
          differs_at: [],
        },
      ],
    },
  ],
};
const span = { fromMs: Date.parse(answer.from), toMs: Date.parse(answer.to) };

describe('path changes', () => {
  test('stand in order of time with their hops side by side', () => {
    const marks = pathMarks(answer, span);
    expect(marks.map((mark) => mark.reason)).toEqual(['scheduled', 'delay_shift']);
    expect(marks[1]!.hops.map((row) => [row.before, row.after, row.differs])).toEqual([
      ['10.0.0.1', '10.0.0.1', false],
      ['10.0.0.2', '10.0.0.3, 10.0.0.4', true],
      ['10.0.0.9', '*', false],
      ['–', '10.0.0.9', true],
    ]);
    expect(marks[1]!.hops[2]!.afterUs).toBe(null);
  });

  test('outside the span are not drawn', () => {
    expect(pathMarks(answer, { ...span, fromMs: span.fromMs + 30 * 60_000 })).toHaveLength(1);
  });
});
