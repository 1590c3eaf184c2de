/** A checkpoint whose config.json no runtime can use, whatever the weights are converted to. */
import { ConversionError, type Finding, FormatError, isCodecError } from "@requant/core";
import { refuseOutOfRange } from "./config-ranges.ts";
import type { HfFiles } from "./hf-files.ts";
import { hfToGguf } from "./hf-to-gguf.ts";
import { plannedSources } from "./weight-plan.ts";

/** How much of a checkpoint `refuseBrokenConfig` looks at. */
export interface BrokenConfigOptions {
  /** True: config and tensors are held against each other as well, for classes that are known. */
  readonly tensors?: boolean;
}

/**
 * Refuses a checkpoint whose config.json cannot be right: values that no model can have, and, where asked, sizes and layers
 * that the tensors rule out. These are the refusals of `hfToGguf`; what only a GGUF has no place for is none of them.
 * @throws FormatError naming the key, or the tensor of the checkpoint
 * @example
 * ```ts
 * import { type HfTensor, readHfFiles, refuseBrokenConfig } from "@requant/models";
 *
 * function check(sideFiles: ReadonlyMap<string, Uint8Array>, tensors: readonly HfTensor[]): void {
 *   refuseBrokenConfig(readHfFiles("model", sideFiles, tensors), { tensors: true });
 * }
 * ```
 */
export function refuseBrokenConfig(files: HfFiles, options: BrokenConfigOptions = {}): void {
  refuseOutOfRange(files.config);
  if (options.tensors !== true) return;
  const [first] = contradictionsOf(files);
  if (first === undefined) return;
  const { message, ...place } = first;
  throw new FormatError(message, { ...place, path: "config.json", hint: HINT });
}

const HINT = "The config belongs to another model, or the checkpoint is not complete.";

/**
 * The same contradictions between config.json and the tensors as warnings, for targets that any set of tensors can be
 * converted to; layers that config.json does not count are those of `uncountedLayerFindings`.
 */
export function incompleteFindings(files: HfFiles): Finding[] {
  try {
    return contradictionsOf(files)
      .filter(({ code }) => code !== "extra-layer")
      .map(({ message, tensor }) => warningOf(message, tensor));
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return [warningOf(error.message, error.tensor)];
  }
}

function warningOf(message: string, tensor: string | undefined): Finding {
  return { code: "config-disagrees", severity: "warning", message, tensor, path: "config.json", hint: HINT };
}

/** What the tensors rule out, worst first, with the tensors of the checkpoint. */
function contradictionsOf(files: HfFiles): Pick<Finding, "code" | "message" | "tensor">[] {
  const plan = planOf(files);
  if (plan === undefined) return [];
  return plan.findings
    .filter(({ severity }) => severity === "error")
    .map(({ code, message, tensor }) => {
      const own = plan.tensors.find(({ name }) => name === tensor);
      return { code, message, tensor: own === undefined ? undefined : plannedSources(own)[0] };
    });
}

/** Undefined for classes, tensors and settings that have no counterpart in GGUF: they are no fault of the checkpoint. */
function planOf(files: HfFiles): ReturnType<typeof hfToGguf> | undefined {
  try {
    return hfToGguf(files, { fileType: "F16", tokenizer: false, contradictions: "report" });
  } catch (error) {
    if (error instanceof ConversionError) return undefined;
    throw error;
  }
}

/** The number of the layer in the name of a text model's tensor. */
const LAYER =
  /^(?:(?:model|language_model|text_model|transformer|gpt_neox|decoder|encoder|bert|roberta)\.){0,3}(?:layers|layer|h|blocks)\.(\d{1,6})\./;

/**
 * Names tensors of layers that config.json does not count: runtimes pass over them, or refuse the model. Layers that a model
 * only predicts further tokens with are counted by `num_nextn_predict_layers`.
 */
export function uncountedLayerFindings({ config, tensors }: HfFiles): Finding[] {
  const inner = ["text_config", "llm_config", "language_config"].map((key) => config[key]);
  const counted = [config, ...inner].flatMap((one) => {
    if (typeof one !== "object" || one === null) return [];
    const values = one as Readonly<Record<string, unknown>>;
    const layers = values["num_hidden_layers"] ?? values["n_layer"];
    const predicted = values["num_nextn_predict_layers"];
    return typeof layers === "number" ? [layers + (typeof predicted === "number" ? predicted : 0)] : [];
  });
  const count = counted.at(-1);
  if (count === undefined) return [];
  const beyond = tensors.filter(({ name }) => Number(LAYER.exec(name)?.[1] ?? -1) >= count);
  const [first] = beyond;
  if (first === undefined) return [];
  return [
    {
      code: "config-disagrees",
      severity: "warning",
      tensor: first.name,
      path: "config.json",
      message: `The config.json counts ${count} ${count === 1 ? "layer" : "layers"}; ${beyond.length === 1 ? "1 tensor is" : `${beyond.length} tensors are`} of layers beyond them, the first is ${first.name}. Runtimes do not load them.`,
      hint: "Correct num_hidden_layers, or take the config from the original model.",
    },
  ];
}
