// Where the names on the map go: greedy placement by priority around each point, so that no two texts overlap.
// Pure: boxes in, boxes out. A label that fits nowhere is left out; its marker stays and can be pointed at.

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface LabelRequest {
  id: string;
  /** Centre of the marker and the radius to keep clear of. */
  x: number;
  y: number;
  radius: number;
  width: number;
  height: number;
  /** Higher goes first. */
  priority: number;
  /** The side to try first; right unless said otherwise. */
  prefer?: 'left';
  /** Placed at its best spot even where it overlaps. */
  must?: boolean;
}

export interface PlacedLabel extends Box {
  id: string;
}

export function overlap(a: Box, b: Box): number {
  const w = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const h = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return w > 0 && h > 0 ? w * h : 0;
}

const GAP = 3;

/** Right, left, below, above, then the corners: the order in which a reader expects a name. */
function candidates(r: LabelRequest): Box[] {
  const { width, height } = r;
  const out = r.radius + GAP;
  const diagonal = r.radius * 0.71 + 1;
  const middleX = r.x - width / 2;
  const middleY = r.y - height / 2;
  const at = (x: number, y: number): Box => ({ x, y, width, height });
  const right = at(r.x + out, middleY);
  const left = at(r.x - out - width, middleY);
  return [
    ...(r.prefer === 'left' ? [left, right] : [right, left]),
    at(middleX, r.y + out - 1),
    at(middleX, r.y - out - height + 1),
    at(r.x + diagonal, r.y + diagonal),
    at(r.x + diagonal, r.y - diagonal - height),
    at(r.x - diagonal - width, r.y + diagonal),
    at(r.x - diagonal - width, r.y - diagonal - height),
  ];
}

export function placeLabels(
  requests: readonly LabelRequest[],
  frame: Box,
  obstacles: readonly Box[],
): PlacedLabel[] {
  const taken: Box[] = [];
  const placed: PlacedLabel[] = [];
  const ordered = [...requests].sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
  for (const request of ordered) {
    const own = { x: request.x - request.radius, y: request.y - request.radius };
    const others = obstacles.filter(
      (box) =>
        overlap(box, { ...own, width: 2 * request.radius, height: 2 * request.radius }) === 0 ||
        box.width > 2.5 * request.radius,
    );
    let best: Box | null = null;
    let bestCost = Infinity;
    candidates(request).forEach((box, order) => {
      const outside = box.width * box.height - overlap(box, frame);
      const onText = taken.reduce((sum, other) => sum + overlap(box, other), 0);
      const onMarks = others.reduce((sum, other) => sum + overlap(box, other), 0);
      const cost = outside * 20 + onText * 10 + onMarks * 4 + order * 0.1;
      if (cost < bestCost) {
        best = box;
        bestCost = cost;
      }
    });
    if (best === null || (bestCost >= 1 && !request.must)) continue;
    taken.push(best);
    placed.push({ id: request.id, ...(best as Box) });
  }
  return placed;
}
