/** Loaded only where a checkpoint has integers that no linear format took: it brings the table of all families. */
export { packedByFamily } from "@requant/models";
