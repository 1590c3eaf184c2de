/** Which tensors a layer has, and their sizes: everything is checked here before anything is read. */
import { elementCount, FormatError, UnsupportedError } from "@requant/core";
import type { LayerPart } from "@requant/models";
import type { RouterSettings } from "./router.ts";
import type { DecoderSettings } from "./settings.ts";
import type { DecoderSource } from "./source.ts";

/** Rows of a weight that are one matrix: [rows, columns]. */
export interface LinearPlan {
  /** GGUF name of the weight. */
  readonly name: string;
  /** First row in the weight, where several matrices are in it. */
  readonly start: number;
  readonly rows: number;
  readonly columns: number;
  /** GGUF name of the bias. */
  readonly bias: string | undefined;
}

export interface NormPlan {
  readonly weight: string;
  readonly bias: string | undefined;
  /** Numbers of the weight. */
  readonly length: number;
  /** Numbers that are normalized together: all of a row, or those of a head. */
  readonly run: number;
}

export interface ForwardPlan {
  readonly gate: LinearPlan | undefined;
  readonly up: LinearPlan;
  readonly down: LinearPlan;
}

export interface ExpertsPlan {
  readonly router: LinearPlan;
  readonly routing: Omit<RouterSettings, "experts">;
  /** Matrices of each stack. */
  readonly count: number;
  /** Of the first expert; the others follow row by row. */
  readonly first: ForwardPlan;
  readonly shared: ForwardPlan | undefined;
  /** One row: the shared expert is multiplied by the sigmoid of its product. */
  readonly sharedGate: LinearPlan | undefined;
}

export interface LayerPlan {
  readonly layer: number;
  readonly norms: Readonly<Partial<Record<LayerPart, NormPlan>>>;
  readonly queries: LinearPlan;
  readonly keys: LinearPlan;
  readonly values: LinearPlan;
  readonly output: LinearPlan;
  /** One of both. */
  readonly forward: ForwardPlan | undefined;
  readonly experts: ExpertsPlan | undefined;
}

const layerParts: readonly LayerPart[] = [
  "attn_norm",
  "attn_q_norm",
  "attn_k_norm",
  "post_attention_norm",
  "ffn_norm",
  "post_ffw_norm",
];

/** Looks tensors up, checks their shapes, and remembers which ones were asked for. */
export class TensorLookup {
  readonly used: Set<string> = new Set();
  readonly #shapes: DecoderSource["shapes"];

  constructor(shapes: DecoderSource["shapes"]) {
    this.#shapes = shapes;
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  /** @throws FormatError where there is no such tensor */
  shape(name: string): readonly number[] {
    const shape = this.#shapes.get(name);
    if (shape === undefined) {
      throw new FormatError(`The model has no tensor ${name}, which its forward pass needs.`, {
        tensor: name,
        hint: "The file is not complete, or general.architecture names another family.",
      });
    }
    this.used.add(name);
    return shape;
  }

  /** @throws FormatError where the tensor has another shape; -1 allows any size */
  expect(name: string, ...expected: readonly number[]): readonly number[] {
    const shape = this.shape(name);
    const fits =
      shape.length === expected.length && expected.every((size, axis) => size === -1 || size === shape[axis]);
    if (fits) return shape;
    const text = expected.map((size) => (size === -1 ? "any" : size)).join(", ");
    throw new FormatError(`The tensor ${name} has the shape [${shape.join(", ")}]; expected is [${text}].`, {
      tensor: name,
      hint: "The tensor or the metadata belong to another model.",
    });
  }

  bias(stem: string, rows: number): string | undefined {
    const name = `${stem}.bias`;
    if (!this.has(name)) return undefined;
    this.expect(name, rows);
    return name;
  }

  linear(stem: string, rows: number, columns: number): LinearPlan {
    const shape = this.expect(`${stem}.weight`, rows, columns);
    const all = shape[0] ?? 0;
    return {
      name: `${stem}.weight`,
      start: 0,
      rows: all,
      columns: shape[1] ?? 0,
      bias: this.bias(stem, all),
    };
  }

  norm(stem: string, length: number): NormPlan {
    this.expect(`${stem}.weight`, length);
    return { weight: `${stem}.weight`, bias: this.bias(stem, length), length, run: length };
  }
}

/** Parts of a weight one below the other. */
function split(whole: LinearPlan, sizes: readonly number[]): LinearPlan[] {
  let start = 0;
  return sizes.map((rows) => {
    const part = { ...whole, start, rows };
    start += rows;
    return part;
  });
}

/** A norm of queries or keys: one for all heads, one for each head, or one for the whole row. */
function headNorm(lookup: TensorLookup, stem: string, heads: number, headLength: number): NormPlan {
  const shape = lookup.shape(`${stem}.weight`);
  const length = elementCount(shape);
  const fits =
    (shape.length === 1 && (length === headLength || length === heads * headLength)) ||
    (shape.length === 2 && shape[0] === heads && shape[1] === headLength);
  if (!fits) lookup.expect(`${stem}.weight`, headLength);
  return { weight: `${stem}.weight`, bias: lookup.bias(stem, length), length, run: shape.at(-1) ?? 0 };
}

function normsOf(lookup: TensorLookup, settings: DecoderSettings, layer: number): LayerPlan["norms"] {
  const norms: Partial<Record<LayerPart, NormPlan>> = {};
  for (const part of layerParts) {
    const stem = `blk.${layer}.${part}`;
    if (!settings.description.parts.includes(part) && !lookup.has(`${stem}.weight`)) continue;
    if (part === "attn_q_norm") norms[part] = headNorm(lookup, stem, settings.heads, settings.headLength);
    else if (part === "attn_k_norm")
      norms[part] = headNorm(lookup, stem, settings.keyHeads, settings.headLength);
    else norms[part] = lookup.norm(stem, settings.hidden);
  }
  return norms;
}

function forwardOf(lookup: TensorLookup, settings: DecoderSettings, block: string, suffix = ""): ForwardPlan {
  const { hidden } = settings;
  const { gate } = settings.description;
  const down = lookup.linear(`${block}.ffn_down${suffix}`, hidden, -1);
  const width = down.columns;
  if (gate === "fused" && suffix === "") {
    const [first, second] = split(lookup.linear(`${block}.ffn_up`, 2 * width, hidden), [width, width]);
    if (first !== undefined && second !== undefined) return { gate: first, up: second, down };
  }
  return {
    gate: gate === "none" ? undefined : lookup.linear(`${block}.ffn_gate${suffix}`, width, hidden),
    up: lookup.linear(`${block}.ffn_up${suffix}`, width, hidden),
    down,
  };
}

function expertsOf(lookup: TensorLookup, settings: DecoderSettings, block: string): ExpertsPlan {
  const { hidden, router: routing } = settings;
  const router = lookup.linear(`${block}.ffn_gate_inp`, -1, hidden);
  const count = router.rows;
  if (routing === undefined || routing.chosen > count) {
    throw new FormatError(
      `The metadata must say how many of the ${count} experts each token uses: expert_used_count.`,
      { tensor: router.name },
    );
  }
  const stack = (name: string, rows: number, columns: number): LinearPlan => {
    const shape = lookup.expect(`${block}.${name}.weight`, count, rows, columns);
    return {
      name: `${block}.${name}.weight`,
      start: 0,
      rows: shape[1] ?? 0,
      columns: shape[2] ?? 0,
      bias: undefined,
    };
  };
  const down = stack("ffn_down_exps", hidden, -1);
  const first: ForwardPlan = {
    gate: stack("ffn_gate_exps", down.columns, hidden),
    up: stack("ffn_up_exps", down.columns, hidden),
    down,
  };
  const hasShared = lookup.has(`${block}.ffn_down_shexp.weight`);
  const gateName = `${block}.ffn_gate_inp_shexp.weight`;
  const sharedGate = (): LinearPlan => {
    const shape = lookup.shape(gateName);
    if (elementCount(shape) !== hidden) lookup.expect(gateName, 1, hidden);
    return { name: gateName, start: 0, rows: 1, columns: hidden, bias: undefined };
  };
  return {
    router,
    routing,
    count,
    first,
    shared: hasShared ? forwardOf(lookup, settings, block, "_shexp") : undefined,
    sharedGate: hasShared && lookup.has(gateName) ? sharedGate() : undefined,
  };
}

/** @throws FormatError for a missing tensor or a contradictory shape */
export function planLayer(lookup: TensorLookup, settings: DecoderSettings, layer: number): LayerPlan {
  const { hidden, description } = settings;
  const block = `blk.${layer}`;
  const queryRows = settings.heads * settings.headLength;
  const keyRows = settings.keyHeads * settings.headLength;
  const projections = lookup.has(`${block}.attn_qkv.weight`)
    ? split(lookup.linear(`${block}.attn_qkv`, queryRows + 2 * keyRows, hidden), [
        queryRows,
        keyRows,
        keyRows,
      ])
    : [
        lookup.linear(`${block}.attn_q`, queryRows, hidden),
        lookup.linear(`${block}.attn_k`, keyRows, hidden),
        lookup.linear(`${block}.attn_v`, keyRows, hidden),
      ];
  const [queries, keys, values] = projections as [LinearPlan, LinearPlan, LinearPlan];
  const withExperts = description.experts !== undefined && lookup.has(`${block}.ffn_gate_inp.weight`);
  return {
    layer,
    norms: normsOf(lookup, settings, layer),
    queries,
    keys,
    values,
    output: lookup.linear(`${block}.attn_output`, hidden, queryRows),
    forward: withExperts ? undefined : forwardOf(lookup, settings, block),
    experts: withExperts ? expertsOf(lookup, settings, block) : undefined,
  };
}

/** @throws UnsupportedError for a tensor that no step of the forward pass reads: the result would be another model's */
export function refuseUnread(
  shapes: DecoderSource["shapes"],
  { used }: TensorLookup,
  architecture: string,
): void {
  for (const name of shapes.keys()) {
    if (used.has(name)) continue;
    throw new UnsupportedError(
      `The forward pass of the architecture ${architecture} does not know the tensor ${name}.`,
      {
        tensor: name,
        hint: "Remove the tensor where it belongs to no layer.",
      },
    );
  }
}
