import { type TensorInfo, UsageError } from "@requant/core";
import { type HfFiles, type WeightInput, weightInputSchema } from "@requant/models";
import * as z from "zod";
import { type Fidelity, fidelities } from "./fidelity.ts";
import { type JsonMetadata, jsonMetadataSchema } from "./metadata-json.ts";
import type { GgufFacts, ModelFile } from "./model.ts";

/** What a conversion makes: a format and its settings. Plain JSON. */
export interface Target {
  /** The word before the colon: "gguf". */
  readonly format: string;
  /** As the format's `parse` made them: `{ type: "Q4_K_M" }`. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Canonical spelling: "gguf:q4_k_m". */
  readonly text: string;
}

/** How one tensor of the output is made. */
export interface PlanTensor {
  /** In the output. */
  readonly name: string;
  /** Row-major, outermost first. */
  readonly shape: readonly number[];
  /** Encoding of the source; several are joined with "+". */
  readonly from: string;
  readonly to: string;
  readonly fidelity: Fidelity;
  /** In the output. */
  readonly byteLength: number;
  /** Where its rows come from. */
  readonly inputs: readonly WeightInput[];
  /** The entry of the importance matrix that it is quantized with; the run is given the matrix again. */
  readonly importance?: string | undefined;
}

/** One output file, an independent job: it needs the source and this plan, and nothing that another file's job makes. */
export type PlanFile =
  | {
      readonly kind: "gguf";
      readonly name: string;
      readonly byteLength: number;
      readonly alignment: number;
      readonly metadata: JsonMetadata;
      /** Indices into the plan's tensors, in file order. */
      readonly tensors: readonly number[];
    }
  | {
      readonly kind: "safetensors";
      readonly name: string;
      readonly byteLength: number;
      readonly metadata: Readonly<Record<string, string>>;
      readonly tensors: readonly number[];
    }
  | { readonly kind: "text"; readonly name: string; readonly byteLength: number; readonly text: string }
  | { readonly kind: "bytes"; readonly name: string; readonly byteLength: number; readonly base64: string };

/** A tensor of the source that the output does not have. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

/** Everything a conversion will do, as plain JSON. */
export interface Plan {
  readonly version: 1;
  readonly source: {
    readonly name: string;
    readonly format: string;
    readonly variant: string;
    readonly architecture?: string | undefined;
    readonly tensorCount: number;
    readonly parameterCount: number;
    /** Compared with the model before a run: a plan fits only the model it was made for. */
    readonly files: readonly ModelFile[];
  };
  readonly target: Target;
  readonly tensors: readonly PlanTensor[];
  readonly files: readonly PlanFile[];
  readonly leftOut: readonly LeftOut[];
  /** What a reader should know: values that were assumed, facts that the target cannot hold. */
  readonly notes: readonly string[];
  /** Of all output files. */
  readonly byteLength: number;
}

const countSchema = z.int().nonnegative();
const modelFileSchema = z.object({ name: z.string(), byteLength: countSchema });

const fileSchema: z.ZodType<PlanFile> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("gguf"),
    name: z.string(),
    byteLength: countSchema,
    alignment: z.int().positive(),
    metadata: jsonMetadataSchema,
    tensors: z.array(countSchema),
  }),
  z.object({
    kind: z.literal("safetensors"),
    name: z.string(),
    byteLength: countSchema,
    metadata: z.record(z.string(), z.string()),
    tensors: z.array(countSchema),
  }),
  z.object({ kind: z.literal("text"), name: z.string(), byteLength: countSchema, text: z.string() }),
  z.object({ kind: z.literal("bytes"), name: z.string(), byteLength: countSchema, base64: z.string() }),
]);

const planSchema: z.ZodType<Plan> = z.object({
  version: z.literal(1),
  source: z.object({
    name: z.string(),
    format: z.string(),
    variant: z.string(),
    architecture: z.string().optional(),
    tensorCount: countSchema,
    parameterCount: countSchema,
    files: z.array(modelFileSchema),
  }),
  target: z.object({
    format: z.string(),
    settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    text: z.string(),
  }),
  tensors: z.array(
    z.object({
      name: z.string(),
      shape: z.array(countSchema).max(8),
      from: z.string(),
      to: z.string(),
      fidelity: z.enum(fidelities as [Fidelity, ...Fidelity[]]),
      byteLength: countSchema,
      inputs: z.array(weightInputSchema).min(1),
      importance: z.string().optional(),
    }),
  ),
  files: z.array(fileSchema),
  leftOut: z.array(z.object({ name: z.string(), reason: z.string() })),
  notes: z.array(z.string()),
  byteLength: countSchema,
});

/** Checks a plan that was stored or sent. @throws UsageError naming the first fault. */
export function parsePlan(json: unknown): Plan {
  const result = planSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new UsageError(
      `this is not a conversion plan: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
    );
  }
  const plan = result.data;
  for (const file of plan.files) {
    if ("tensors" in file && file.tensors.some((index) => index >= plan.tensors.length)) {
      throw new UsageError(`the plan's file ${file.name} names a tensor that the plan does not have`);
    }
  }
  return plan;
}

/** The facts that planning needs: headers and side files, no weights. */
export interface PlanSource {
  readonly name: string;
  readonly format: string;
  readonly variant: string;
  readonly naming: "gguf" | "hf";
  readonly architecture: string | undefined;
  readonly files: readonly ModelFile[];
  readonly tensors: readonly TensorInfo[];
  readonly gguf: GgufFacts | undefined;
  readonly hf: HfFiles | undefined;
  /** Contents of a directory's other files, by name. */
  readonly sideFiles?: ReadonlyMap<string, Uint8Array> | undefined;
  /** `__metadata__` of safetensors. */
  readonly fileMetadata?: Readonly<Record<string, string>> | undefined;
  /** Values of the small tensors of a GGUF that a config is read from: rope factors. */
  readonly smallTensors?: ReadonlyMap<string, Float32Array> | undefined;
}

/** The names of the jobs that a plan splits into: one per output file, runnable in any order and anywhere. */
export function planJobs(plan: Plan): string[] {
  return plan.files.map(({ name }) => name);
}
