/** Tensor rules where one tensor of a layout is several of the other: rows split, joined or picked by a view. */
import { elementCount } from "@requant/core";
import type { Config } from "../config.ts";
import { orderedRowCount, type RowOrder } from "../row-order.ts";
import type { StoredInput, WeightInput } from "../weight-plan.ts";
import type { TensorContext, TensorRule } from "./architecture.ts";

/** The axis of a tensor's rows: the one before the last, or that of a bias, each of whose numbers is a row. */
function rowAxis(shape: readonly number[]): {
  readonly outer: number;
  readonly rows: number;
  readonly isBias: boolean;
  withRows(rows: number): readonly number[];
} {
  const axis = Math.max(shape.length - 2, 0);
  return {
    outer: elementCount(shape.slice(0, axis)),
    rows: shape[axis] ?? 0,
    isBias: shape.length === 1,
    withRows: (rows) => [...shape.slice(0, axis), rows, ...shape.slice(axis + 1)],
  };
}

/**
 * One tensor whose rows are several parts of equal size: `[…, parts × n, in]` → parts of `[…, n, in]`; biases likewise,
 * element by element.
 */
export function splitEvenly(hf: string, gguf: readonly string[]): TensorRule {
  return {
    hf: [hf],
    gguf,
    toGguf: ([names], context) => {
      const name = names?.[0] ?? "";
      const { outer, rows, isBias, withRows } = rowAxis(context.shapeOf(name));
      const size = rows / gguf.length;
      return gguf.map((_, part) => ({
        shape: withRows(size),
        inputs: [
          {
            tensor: name,
            ...(isBias ? { rowLength: 1 } : {}),
            rowOrder: {
              kind: "view",
              view: [outer, gguf.length, size],
              ranges: [null, [part, part + 1], null],
            },
          },
        ],
      }));
    },
    toHf: (parts, context) => {
      const { outer, rows, isBias, withRows } = rowAxis(context.shapeOf(parts[0] ?? ""));
      const inputs: WeightInput[] = [];
      for (let index = 0; index < outer; index++) {
        // a bias is one row until it is cut
        const own = isBias ? { rowLength: 1 } : { rows: [index * rows, (index + 1) * rows] as const };
        for (const tensor of parts) inputs.push({ tensor, ...own });
      }
      return [[{ shape: withRows(rows * parts.length), inputs }]];
    },
  };
}

/** The other way round, for tensors that are read only: parts of equal size that GGUF keeps in one tensor. */
export function joinedEvenly(hf: readonly string[], gguf: string): TensorRule {
  return {
    hf,
    gguf: [gguf],
    oneWay: true,
    toGguf: (parts, context) =>
      splitEvenly(gguf, hf).toHf(
        parts.map(([name]) => name ?? ""),
        context,
      )[0] ?? [],
    toHf: () => [],
  };
}

/** Row ranges of one tensor that become tensors of their own, each with a row order of its own (fused q, k, v). */
export function splitRows(
  hf: string,
  pieces: readonly {
    readonly gguf: string;
    rows(config: Config): number;
    rotaryHeads?(config: Config): number;
  }[],
): TensorRule {
  const order = (
    kind: "rope-to-pairs" | "rope-to-halves",
    heads: number | undefined,
  ): { rowOrder?: RowOrder } => (heads === undefined ? {} : { rowOrder: { kind, headCount: heads } });
  return {
    hf: [hf],
    gguf: pieces.map(({ gguf }) => gguf),
    toGguf: ([names], { config, suffix, shapeOf }) => {
      const tensor = names?.[0] ?? "";
      const tail = suffix === ".bias" ? [] : shapeOf(tensor).slice(1);
      let first = 0;
      return pieces.map((piece) => {
        const rows = piece.rows(config);
        const input: StoredInput =
          suffix === ".bias"
            ? { tensor, rowLength: 1, rowOrder: biasRange(shapeOf(tensor)[0] ?? 0, first, rows) }
            : { tensor, rows: [first, first + rows], ...order("rope-to-pairs", piece.rotaryHeads?.(config)) };
        first += rows;
        return { shape: [rows, ...tail], inputs: [input] };
      });
    },
    toHf: (parts, { config, suffix, shapeOf }) => {
      const shape = shapeOf(parts[0] ?? "");
      const total = parts.reduce((sum, name) => sum + (shapeOf(name)[0] ?? 0), 0);
      const inputs = parts.map(
        (tensor, index): WeightInput => ({
          tensor,
          ...(suffix === ".bias" ? { rowLength: 1 } : {}),
          ...order("rope-to-halves", pieces[index]?.rotaryHeads?.(config)),
        }),
      );
      return [[{ shape: [total, ...shape.slice(1)], inputs }]];
    },
  };
}

/** Rows selected by a view, one order per GGUF tensor, with the inverse as a list of row ranges. */
export function viewed(
  hf: string,
  pieces: readonly {
    readonly gguf: string;
    orders(context: TensorContext): readonly (RowOrder | undefined)[];
  }[],
  toHf: (parts: readonly string[], context: TensorContext) => readonly WeightInput[],
): TensorRule {
  return {
    hf: [hf],
    gguf: pieces.map(({ gguf }) => gguf),
    toGguf: ([names], context) => {
      const tensor = names?.[0] ?? "";
      const shape = context.shapeOf(tensor);
      const flat = shape.length === 1 ? { rowLength: 1 } : {};
      const rows = elementCount(shape.length === 1 ? shape : shape.slice(0, -1));
      const tail = shape.length === 1 ? [] : [shape.at(-1) ?? 1];
      return pieces.map((piece) => {
        const orders = piece.orders(context);
        const count = orders.reduce((sum, order) => sum + orderedRowCount(order, rows), 0);
        return {
          shape: [count, ...tail],
          inputs: orders.map((rowOrder) => ({ tensor, ...flat, ...(rowOrder ? { rowOrder } : {}) })),
        };
      });
    },
    toHf: (parts, context) => {
      const shapes = parts.map((name) => context.shapeOf(name));
      const rows = shapes.reduce((sum, shape) => sum + (shape[0] ?? 0), 0);
      return [[{ shape: [rows, ...(shapes[0]?.slice(1) ?? [])], inputs: toHf(parts, context) }]];
    },
  };
}

function biasRange(total: number, first: number, rows: number): RowOrder {
  return { kind: "view", view: [total], ranges: [[first, first + rows]] };
}
