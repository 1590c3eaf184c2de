/** Blocks of 32 with an importance matrix, in lanes like sub-blocks, for Q4_0, Q4_1, Q5_0 and Q5_1. */
import { importanceWeights, transpose, values, weights } from "./sub-block-lanes";

const paddedValues: usize = memory.data(1024);
const paddedImportance: usize = memory.data(1024);
const untransposedWeights: usize = memory.data(1024);

/**
 * Fills the first groups, four blocks each, with up to `groups` × 4 blocks of a row and their weights. Lanes without a
 * block are all zero. Returns the address of the values.
 */
export function loadBlocks(
  from: usize,
  blocks: i32,
  importance: usize,
  variance: f32,
  groups: usize,
): usize {
  const count: usize = groups << 2;
  if (<usize>blocks < count) {
    memory.fill(paddedValues, 0, 1024);
    memory.fill(paddedImportance, 0, 1024);
    memory.copy(paddedValues, from, (<usize>blocks) << 7);
    memory.copy(paddedImportance, importance, (<usize>blocks) << 7);
    from = paddedValues;
    importance = paddedImportance;
  }
  transpose(from, 32, groups, values);
  importanceWeights(from, count << 5, variance, importance, untransposedWeights);
  transpose(untransposedWeights, 32, groups, weights);
  return from;
}
