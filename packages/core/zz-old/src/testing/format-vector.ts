/** Vectors of a format, and how the suite reads them with the format. */
import type { LinearPart, PartBytes } from "../format/linear-codec.ts";
import type { OpenableWeight, StoredPart, WeightFormat } from "../format/weight-format.ts";
import type { ViewFacts } from "../view/facts.ts";

/** A stored weight that the tool which defines the format has made, and what the weight means. */
export interface FormatVector {
  /** For the names of tests: the name of the file. */
  readonly name: string;
  /** The module that the weight belongs to; "model.layers.0.mlp.up_proj" where absent. */
  readonly module?: string;
  /** What joins the module and a suffix to the name of a part; "." where absent. */
  readonly separator?: string;
  /** The quantization configuration beside the weight; where absent, the tensors alone tell everything. */
  readonly config?: unknown;
  /** Shapes of the model's other tensors, by name. */
  readonly otherShapes?: Readonly<Record<string, readonly number[]>>;
  readonly parts: readonly LinearPart[];
  /** The stored bytes of each part, by suffix. */
  readonly bytes: PartBytes;
  readonly expected: ExpectedWeight;
  /** Why the format does not pack the view of this weight again, in words; absent where it gives the same bytes. */
  readonly whyNotPacked?: string;
}

/** What reading a vector must give. At least one form of its values is required; every field that is given is checked. */
export interface ExpectedWeight {
  readonly rows: number;
  readonly columns: number;
  /** All values, row by row. */
  readonly values?: Float32Array;
  /** SHA-256 of the values as f32, little-endian, in hexadecimal. */
  readonly valuesSha256?: string;
  /** The same of the values rounded to f16. */
  readonly halvesSha256?: string;
  /** SHA-256 of the f32 values of the view, where the file rounds and its view does not. */
  readonly viewSha256?: string;
  /** Codes of the view, row by row. */
  readonly codes?: Uint8Array;
  /** Facts that `examine` must find. */
  readonly facts?: Partial<ViewFacts>;
  /** Fields that the layout must have. */
  readonly layout?: Readonly<Record<string, unknown>>;
}

/** A stored weight as a model has it, whole or damaged. */
export type StoredWeight = Pick<
  FormatVector,
  "module" | "separator" | "config" | "otherShapes" | "parts" | "bytes"
>;

export const DEFAULT_MODULE = "model.layers.0.mlp.up_proj";

/** Finds the weight of a module with the format, from the shapes, and from bytes where the format needs them. */
export async function findWeight(format: WeightFormat, stored: StoredWeight): Promise<OpenableWeight> {
  const { module = DEFAULT_MODULE, config, otherShapes, bytes } = stored;
  const parts = storedParts(stored);
  const place = { tensor: module };
  const reader = format.reader(
    config,
    {
      config: undefined,
      shapeOf: (name) => otherShapes?.[name],
      read: async ({ suffix }) => bytes[suffix] ?? new Uint8Array(0),
    },
    place,
  );
  return await reader.openable(module, parts, place);
}

/** Whether the format recognises exactly these parts as one weight. */
export function recognises(format: WeightFormat, stored: StoredWeight): boolean {
  const { config } = stored;
  const tensors = storedParts(stored).map((part) => ({ ...part, byteOffset: 0 }));
  const settings = typeof config === "object" && config !== null ? { ...config } : {};
  const claimed = config === undefined ? undefined : { method: format.name, format: format.name, settings };
  const [found, ...others] = format.find(tensors, claimed);
  return found?.isWeight === true && others.length === 0 && found.parts.length === tensors.length;
}

function storedParts({ module = DEFAULT_MODULE, separator = ".", parts, bytes }: StoredWeight): StoredPart[] {
  return parts.map((part) => ({
    ...part,
    name: `${module}${separator}${part.suffix}`,
    byteLength: bytes[part.suffix]?.byteLength ?? 0,
  }));
}
