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
