// Wheel, drag and pinch over the map, as shifts and factors around a point: the rim around zoom.ts. A wheel alone zooms only where the
// page has nothing to scroll; with Ctrl, which is also what a trackpad's pinch sends, always. A click that ends a drag is no click.

export interface Gestures {
  /** Whether dragging shifts: not while everything is in view, so that a finger scrolls the page. */
  movable: boolean;
  onzoom: (by: number, at: [number, number]) => void;
  onmove: (dx: number, dy: number) => void;
  /** The hand is off. */
  onrest: () => void;
}

const DRAG_PX = 4;

export function gestures(
  node: HTMLElement,
  given: Gestures,
): { update: (next: Gestures) => void; destroy: () => void } {
  let now = given;
  const abort = new AbortController();
  const { signal } = abort;
  const fingers = new Map<number, { x: number; y: number }>();
  let dragged = false;
  let start: { x: number; y: number } | null = null;
  let rest: ReturnType<typeof setTimeout> | undefined;

  const pointOf = (event: MouseEvent): [number, number] => {
    const box = node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const scrolls = (): boolean => document.documentElement.scrollHeight > window.innerHeight + 1;

  node.addEventListener(
    'wheel',
    (event) => {
      if (!event.ctrlKey && !event.metaKey && scrolls()) return;
      event.preventDefault();
      const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * 24;
      now.onzoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), pointOf(event));
      clearTimeout(rest);
      rest = setTimeout(() => now.onrest(), 200);
    },
    { passive: false, signal },
  );
  node.addEventListener(
    'pointerdown',
    (event) => {
      if (event.button !== 0) return;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      start = { x: event.clientX, y: event.clientY };
      dragged = fingers.size > 1;
    },
    { signal },
  );
  node.addEventListener(
    'pointermove',
    (event) => {
      const before = fingers.get(event.pointerId);
      if (before === undefined) return;
      const after = { x: event.clientX, y: event.clientY };
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
      if (other !== undefined) {
        const distance = (one: { x: number; y: number }): number =>
          Math.hypot(one.x - other.x, one.y - other.y);
        const box = node.getBoundingClientRect();
        const middle: [number, number] = [
          (after.x + other.x) / 2 - box.left,
          (after.y + other.y) / 2 - box.top,
        ];
        if (distance(before) > 0) now.onzoom(distance(after) / distance(before), middle);
        dragged = true;
      } else if (now.movable) {
        if (start !== null && !dragged && Math.hypot(after.x - start.x, after.y - start.y) < DRAG_PX) return;
        if (!dragged) node.setPointerCapture(event.pointerId);
        dragged = true;
        now.onmove(after.x - before.x, after.y - before.y);
      }
      fingers.set(event.pointerId, after);
    },
    { signal },
  );
  const up = (event: PointerEvent): void => {
    if (!fingers.delete(event.pointerId)) return;
    if (dragged && fingers.size === 0) now.onrest();
  };
  node.addEventListener('pointerup', up, { signal });
  node.addEventListener('pointercancel', up, { signal });
  node.addEventListener(
    'click',
    (event) => {
      if (!dragged) return;
      event.preventDefault();
      event.stopPropagation();
      dragged = false;
    },
    { capture: true, signal },
  );
  // A link or a picture that is dragged would end the drag.
  node.addEventListener('dragstart', (event) => event.preventDefault(), { signal });

  return {
    update: (next) => (now = next),
    destroy: () => {
      abort.abort();
      clearTimeout(rest);
    },
  };
}
