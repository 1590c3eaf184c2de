/**
 * The container of most models: headers, shards and their index, read and written.
 * @module
 * @example
 * import { directoryStore } from "@requant/core/node";
 * import { openSafetensors } from "@requant/safetensors";
 *
 * const model = await openSafetensors(directoryStore("./model")); // one file, or index.json and its shards
 * for (const tensor of model.tensors) {
 *   const bytes = await model.read(tensor, 0, Math.min(16, tensor.byteLength));
 *   console.log(tensor.name, tensor.encoding, tensor.shape, bytes);
 * }
 */

export { dtypeBits, dtypes } from "./dtypes.ts";
export type { SafetensorsFindingCode } from "./finding-codes.ts";
export { parseHeader, readHeader, type SafetensorsHeader } from "./header.ts";
export {
  type LayoutOptions,
  layoutSafetensors,
  officialOrder,
  type SafetensorsLayout,
} from "./layout.ts";
export {
  type OpenSafetensorsOptions,
  openSafetensors,
  type Safetensors,
  type SafetensorsFile,
  type SafetensorsTensorInfo,
} from "./reader.ts";
export { parseShardIndex, type ShardIndex, serializeShardIndex } from "./shard-index.ts";
export { planShards, type ShardPlan, shardName } from "./shard-plan.ts";
export {
  type SafetensorsTensorData,
  type WriteSafetensorsOptions,
  writeSafetensors,
} from "./writer.ts";
