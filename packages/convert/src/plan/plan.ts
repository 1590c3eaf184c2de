import { type Finding, misfitOf, type TensorInfo, UsageError } from "@requant/core";
import type { LinearLayout, StoredLinear, TensorScale } from "@requant/core/format";
import type { HiddenGrid, Misfit, ViewFacts } from "@requant/core/view";
import type { LeftOut } from "@requant/models";
import { type HfFiles, type WeightInput, weightInputSchema } from "@requant/models";
import * as z from "zod/mini";
import type { GgufFacts, ModelFile } from "../model/model.ts";
import type { SourceClaims } from "../model/unclaimed.ts";
import { type Fidelity, fidelities } from "./fidelity.ts";
import { type JsonMetadata, jsonMetadataSchema } from "./metadata-json.ts";
import { linearSchema, type PlanLinear, type Way, waySchema } from "./way.ts";

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
  /** How its values get there. */
  readonly way: Way;
  /** Reading some of its rows costs the reading of all: one worker makes it, in one go. */
  readonly whole?: true | undefined;
  /** Set for a weight that the output stores as several tensors. */
  readonly linear?: PlanLinear | undefined;
  /** Why it is neither copied nor exact, for people. */
  readonly reason?: string | undefined;
  /** What would keep its values. */
  readonly hint?: string | undefined;
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

/** One target of a plan that has several. Its tensors and files follow those of the targets before it. */
export interface PlannedTarget {
  readonly target: Target;
  readonly tensorCount: number;
  readonly fileCount: number;
  readonly leftOut: readonly LeftOut[];
  readonly findings: readonly Finding[];
}

/** Everything a conversion will do, as plain JSON. */
export interface Plan {
  readonly version: 2;
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
  /** What a reader should know: doubts about the source, values that were assumed, facts that the target cannot hold. */
  readonly findings: readonly Finding[];
  /** Of all output files. */
  readonly byteLength: number;
  /** Set for a plan with several targets: one run reads the source for all of them. */
  readonly targets?: readonly PlannedTarget[] | undefined;
}

const countSchema = z.int().check(z.nonnegative());
const modelFileSchema = z.object({ name: z.string(), byteLength: countSchema });

const fileSchema: z.ZodMiniType<PlanFile> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("gguf"),
    name: z.string(),
    byteLength: countSchema,
    alignment: z.int().check(z.positive()),
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

const findingSchema: z.ZodMiniType<Finding> = z.object({
  code: z.string(),
  severity: z.enum(["error", "warning", "note"]),
  message: z.string(),
  path: z.optional(z.string()),
  tensor: z.optional(z.string()),
  key: z.optional(z.string()),
  offset: z.optional(z.number()),
  index: z.optional(z.number()),
  hint: z.optional(z.string()),
});

const targetSchema: z.ZodMiniType<Target> = z.object({
  format: z.string(),
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  text: z.string(),
});

const leftOutSchema = z.array(z.object({ name: z.string(), reason: z.string() }));

const planSchema: z.ZodMiniType<Plan> = z.object({
  version: z.literal(2),
  source: z.object({
    name: z.string(),
    format: z.string(),
    variant: z.string(),
    architecture: z.optional(z.string()),
    tensorCount: countSchema,
    parameterCount: countSchema,
    files: z.array(modelFileSchema),
  }),
  target: targetSchema,
  tensors: z.array(
    z.object({
      name: z.string(),
      shape: z.array(countSchema).check(z.maxLength(64)),
      from: z.string(),
      to: z.string(),
      fidelity: z.enum(fidelities as [Fidelity, ...Fidelity[]]),
      byteLength: countSchema,
      inputs: z.array(weightInputSchema).check(z.minLength(1)),
      way: waySchema,
      whole: z.optional(z.literal(true)),
      linear: z.optional(linearSchema),
      reason: z.optional(z.string()),
      hint: z.optional(z.string()),
    }),
  ),
  files: z.array(fileSchema),
  leftOut: leftOutSchema,
  findings: z.array(findingSchema),
  byteLength: countSchema,
  targets: z.optional(
    z
      .array(
        z.object({
          target: targetSchema,
          tensorCount: countSchema,
          fileCount: countSchema,
          leftOut: leftOutSchema,
          findings: z.array(findingSchema),
        }),
      )
      .check(z.minLength(2)),
  ),
});

/** Checks a plan that was stored or sent. @throws UsageError naming the first fault. */
export function parsePlan(json: unknown): Plan {
  const result = planSchema.safeParse(json);
  if (!result.success) {
    const [first] = result.error.issues;
    throw new UsageError(`This is not a conversion plan: ${misfitOf(first ? [first] : [], json)}.`);
  }
  const plan = result.data;
  refuseMiscounted(plan);
  for (const file of plan.files) {
    if ("tensors" in file && file.tensors.some((index) => index >= plan.tensors.length)) {
      throw new UsageError(`The plan's file ${file.name} names a tensor that the plan does not have.`);
    }
  }
  return plan;
}

/** The targets of a plan share out its tensors and files. */
function refuseMiscounted({ targets, tensors, files }: Plan): void {
  if (targets === undefined) return;
  const tensorCount = targets.reduce((sum, target) => sum + target.tensorCount, 0);
  const fileCount = targets.reduce((sum, target) => sum + target.fileCount, 0);
  if (tensorCount === tensors.length && fileCount === files.length) return;
  throw new UsageError(
    `The plan has ${tensors.length} tensors and ${files.length} files; its targets name ${tensorCount} and ${fileCount}.`,
    { hint: "Plan again." },
  );
}

/** A tensor of the source, with the facts of its view where it has one. */
export interface PlanSourceTensor extends TensorInfo {
  /** Set where several stored tensors make the weight. */
  readonly linear?: StoredLinear | undefined;
  /** The tensor whose numbers the values are multiplied by. */
  readonly scaledBy?: string | undefined;
  /** The weight that this tensor is a scale of: it is no weight itself. */
  readonly partOf?: string | undefined;
  /** Set where a checkpoint of floats has the stack under another name, each matrix transposed. */
  readonly transposedAs?: string | undefined;
  /** Of a linear weight: as the format's own layout says. */
  readonly layout?: LinearLayout | undefined;
  /** What decides whether another layout holds its integers. */
  readonly view?: ViewFacts | undefined;
  /** Of floats that were looked at: the grid that they lie on, of which `view` tells the facts. */
  readonly grid?: HiddenGrid | undefined;
  /** The float type that holds its values, where they were looked at. */
  readonly narrowest?: "BF16" | "F16" | "F32" | undefined;
  /** Why it has no view, as far as that is known. */
  readonly noView?: Misfit | undefined;
  /** Float types narrower than F32 that hold every value of a linear weight. */
  readonly exactIn?: readonly ("F16" | "BF16")[] | undefined;
  /** Set where the weight is a view times one number. */
  readonly tensorScale?: TensorScale | undefined;
  /** Of the bias of a packed weight: every value is 0. */
  readonly zero?: boolean | undefined;
  /** What each choice of the target's layouts would cost, where it was measured. */
  readonly costs?: readonly number[] | undefined;
}

/** The facts that planning needs: headers, side files and the small parts of linear weights. */
export interface PlanSource extends SourceClaims {
  readonly name: string;
  readonly format: string;
  readonly variant: string;
  readonly naming: "gguf" | "hf";
  readonly architecture: string | undefined;
  readonly files: readonly ModelFile[];
  readonly tensors: readonly PlanSourceTensor[];
  /** As the files hold them: linear weights stand here as their parts. */
  readonly storedTensors: readonly TensorInfo[];
  readonly gguf: GgufFacts | undefined;
  readonly hf: HfFiles | undefined;
  /** Contents of a directory's other files, by name. */
  readonly sideFiles?: ReadonlyMap<string, Uint8Array> | undefined;
  /** `__metadata__` of safetensors. */
  readonly fileMetadata?: Readonly<Record<string, string>> | undefined;
  /** Values of the small tensors of a GGUF that a config is read from: rope factors. */
  readonly smallTensors?: ReadonlyMap<string, Float32Array> | undefined;
  /** Of an adapter: its base model. */
  readonly base?: PlanSource | undefined;
}

/** The names of the jobs that a plan splits into: one per output file, runnable in any order and anywhere. */
export function planJobs(plan: Plan): string[] {
  return plan.files.map(({ name }) => name);
}
