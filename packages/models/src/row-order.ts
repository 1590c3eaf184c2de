/**
 * Row rearrangements as pure functions from an output row to its source row. They never touch data, so they apply to
 * float rows and to packed rows.
 */
import { ConversionError } from "@requant/core";

/**
 * `rope-to-pairs` turns the half-split order of rotary dimensions that Hugging Face stores into the interleaved order of
 * GGUF's llama family: rows seen as `[headCount, 2, half]` become `[headCount, half, 2]` (llama.cpp, conversion/llama.py, `permute`).
 * `rope-to-halves` is its inverse. `view` is the general form: rows seen as `view`, each axis cut to its range, axes
 * permuted (as numpy's transpose), flattened.
 */
export type RowOrder =
  | { readonly kind: "rope-to-pairs" | "rope-to-halves"; readonly headCount: number }
  | {
      readonly kind: "view";
      readonly view: readonly number[];
      /** Half-open range per axis; null or missing keeps the whole axis. */
      readonly ranges?: readonly (readonly [number, number] | null)[];
      /** The source axis of each output axis; missing keeps the order. */
      readonly axes?: readonly number[];
    };

interface View {
  readonly view: readonly number[];
  readonly starts: readonly number[];
  readonly sizes: readonly number[];
  readonly axes: readonly number[];
}

function resolve(order: RowOrder, rowCount: number): View {
  if (order.kind !== "view") {
    const half = rowCount / order.headCount / 2;
    if (!Number.isInteger(half) || half < 1) {
      throw new ConversionError(
        `${rowCount} rows cannot be reordered for ${order.headCount} heads; a multiple of ${order.headCount * 2} was expected.`,
        { hint: "Check num_attention_heads and num_key_value_heads against the tensor's shape." },
      );
    }
    const inner = order.kind === "rope-to-pairs" ? [2, half] : [half, 2];
    const view = [order.headCount, ...inner];
    return { view, starts: [0, 0, 0], sizes: view, axes: [0, 2, 1] };
  }
  const { view } = order;
  const axes = order.axes ?? view.map((_, axis) => axis);
  const product = view.reduce((total, size) => total * size, 1);
  if (product !== rowCount || axes.length !== view.length || new Set(axes).size !== view.length) {
    throw new ConversionError(
      `${rowCount} rows cannot be seen as [${view.join(", ")}] with axes [${axes.join(", ")}].`,
    );
  }
  const starts: number[] = [];
  const sizes: number[] = [];
  view.forEach((size, axis) => {
    const [start, end] = order.ranges?.[axis] ?? [0, size];
    if (start >= end || end > size) {
      throw new ConversionError(`An axis of ${size} rows has no range ${start}–${end}.`);
    }
    starts.push(start);
    sizes.push(end - start);
  });
  if (axes.some((axis) => axis >= view.length)) {
    throw new ConversionError(`The axes [${axes.join(", ")}] do not fit a view of ${view.length} axes.`);
  }
  return { view, starts, sizes, axes };
}

/** The number of output rows for `rowCount` source rows. */
export function orderedRowCount(order: RowOrder | undefined, rowCount: number): number {
  return order === undefined
    ? rowCount
    : resolve(order, rowCount).sizes.reduce((total, size) => total * size, 1);
}

/**
 * The function from an output row to its source row.
 * @throws ConversionError when `rowCount` does not fit the order.
 */
export function sourceRowOf(order: RowOrder | undefined, rowCount: number): (outputRow: number) => number {
  if (order === undefined) return (row) => row;
  const { view, starts, sizes, axes } = resolve(order, rowCount);
  const strides: number[] = new Array<number>(view.length).fill(1);
  for (let axis = view.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * (view[axis + 1] ?? 1);
  }
  const base = starts.reduce((total, start, axis) => total + start * (strides[axis] ?? 0), 0);
  const steps = axes.map((axis) => ({ size: sizes[axis] ?? 1, stride: strides[axis] ?? 0 })).reverse();
  return (outputRow) => {
    let rest = outputRow;
    let source = base;
    for (const { size, stride } of steps) {
      source += (rest % size) * stride;
      rest = Math.floor(rest / size);
    }
    return source;
  };
}

/**
 * The order that undoes `order` on `rowCount` rows.
 * @throws ConversionError when `order` leaves rows out, which cannot be restored.
 */
export function invertRowOrder(order: RowOrder, rowCount: number): RowOrder {
  if (order.kind !== "view") {
    return {
      kind: order.kind === "rope-to-pairs" ? "rope-to-halves" : "rope-to-pairs",
      headCount: order.headCount,
    };
  }
  const { view, sizes, axes } = resolve(order, rowCount);
  if (sizes.some((size, axis) => size !== view[axis])) {
    throw new ConversionError("A row order that selects rows has no inverse.");
  }
  return {
    kind: "view",
    view: axes.map((axis) => view[axis] ?? 1),
    axes: view.map((_, axis) => axes.indexOf(axis)),
  };
}
