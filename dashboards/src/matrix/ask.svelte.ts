// What a matrix is made of, asked for and kept fresh: the cells of the window, or the comparison with an earlier one, and what paths
// carry. Shared by the screen and by the panel that stands alone. Call while a component initialises.

import { apiUrl } from '../api/client.ts';
import { live, type Live } from '../api/live.svelte.ts';
import type { Agent, CompareAnswer, MapAnswer, NewestThroughputAnswer, Zone } from '../api/model.ts';
import { nowMs } from '../clock.svelte.ts';
import { fitClasses, type ClassScale } from '../draw/scale.ts';
import { isRate } from '../metric.ts';
import { lookBack, withCarried } from '../throughput/carried.ts';
import type { ViewState } from '../url/state.ts';
import { earlierRange, isLive } from '../url/time.ts';
import { fitDifference, type DifferenceScale } from './difference.ts';
import { buildMatrix, comparedCells, type Matrix, type PlacedCell } from './model.ts';
import type { SeenCell } from '../metric.ts';

export interface Asked {
  agents: Agent[];
  zones: Zone[];
  view: ViewState;
}

export interface AskedMatrix {
  /** As asked for, but held against nothing where tests are shown: they are too rare for it. */
  readonly view: ViewState;
  readonly answer: Live<MapAnswer>;
  readonly compared: Live<CompareAnswer>;
  readonly carried: Live<NewestThroughputAnswer>;
  readonly cells: (SeenCell | PlacedCell)[];
  readonly matrix: Matrix;
  readonly scale: ClassScale | null;
  readonly differences: DifferenceScale | null;
}

export function askMatrix(asked: () => Asked): AskedMatrix {
  const view = $derived.by(() => {
    const { view } = asked();
    return isRate(view.metric) ? { ...view, versus: null } : view;
  });
  const common = $derived({ from: view.range.from, to: view.range.to, method: view.method, load: view.load });
  const answer = live<MapAnswer>(() =>
    view.versus !== null
      ? null
      : { url: apiUrl('map', common), live: isLive(view.range), refreshS: view.refreshS },
  );
  const compared = live<CompareAnswer>(() => {
    if (view.versus === null) return null;
    const before = earlierRange(view.range, view.versus, nowMs());
    if (before === null) return null;
    return {
      url: apiUrl('compare', { ...common, baseline_from: before.from, baseline_to: before.to }),
      live: isLive(view.range),
      refreshS: 3 * view.refreshS,
    };
  });
  const carried = live<NewestThroughputAnswer>(() =>
    isRate(view.metric)
      ? {
          url: apiUrl('throughput/newest', { ...lookBack(view.range, nowMs()) }),
          live: isLive(view.range),
          refreshS: 6 * view.refreshS,
        }
      : null,
  );
  const cells = $derived(
    view.versus === null
      ? withCarried(answer.state.data?.cells ?? [], isRate(view.metric) ? carried.state.data : null)
      : comparedCells(compared.state.data?.pairs ?? [], view.metric),
  );
  const matrix = $derived.by(() => {
    const { agents, zones } = asked();
    const measured = zones.filter((zone) => (zone.methods as string[]).includes(view.method));
    return buildMatrix(agents, measured, cells, view);
  });
  const every = $derived(matrix.rows.flatMap((row) => row.cells.flatMap((one) => one ?? [])));
  const scale = $derived(
    view.versus !== null
      ? null
      : fitClasses(
          view.metric,
          every.flatMap((one) => (one.value === null || one.few ? [] : [one.value])),
        ),
  );
  const differences = $derived(
    view.versus === null
      ? null
      : fitDifference(
          every.flatMap(({ few, difference: d }) =>
            few || !d || d.sure === false || d.by === null ? [] : [d.by],
          ),
        ),
  );
  return {
    answer,
    compared,
    carried,
    get view() {
      return view;
    },
    get cells() {
      return cells;
    },
    get matrix() {
      return matrix;
    },
    get scale() {
      return scale;
    },
    get differences() {
      return differences;
    },
  };
}
