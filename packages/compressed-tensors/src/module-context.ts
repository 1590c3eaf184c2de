import type { ErrorPlace } from "@requant/core";
import type { ModuleHints, StoredPart } from "@requant/core/format";
import type { CompressedTensorsGroup } from "./config.ts";

/** One module, and what the configuration says about it. */
export interface ModuleContext {
  /** Parts of the weight. */
  readonly parts: readonly StoredPart[];
  /** Parts of the module that are about activations. */
  readonly leftOver: readonly StoredPart[];
  /** Undefined where there is no configuration. */
  readonly claims: CompressedTensorsGroup | undefined;
  /** Of the library that wrote the configuration. */
  readonly version: string | undefined;
  /** The format of `sparsity_config`, where there is one. */
  readonly sparsity: string | undefined;
  readonly hints: ModuleHints;
  readonly place: ErrorPlace;
}
