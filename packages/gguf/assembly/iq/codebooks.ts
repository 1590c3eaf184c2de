/**
 * Where the codebooks are (src/types/iq/kernel-codebook.ts): too large for this module's own range, so they are placed in
 * the memory's range for tables when a search is first used.
 */
export let codebookIQ1: usize = 0;
export let codebookIQ2_XXS: usize = 0;
export let codebookIQ2_XS: usize = 0;
export let codebookIQ2_S: usize = 0;
export let codebookIQ3_XXS: usize = 0;
export let codebookIQ3_S: usize = 0;

export function placeIQ1(address: usize): void {
  codebookIQ1 = address;
}
export function placeIQ2_XXS(address: usize): void {
  codebookIQ2_XXS = address;
}
export function placeIQ2_XS(address: usize): void {
  codebookIQ2_XS = address;
}
export function placeIQ2_S(address: usize): void {
  codebookIQ2_S = address;
}
export function placeIQ3_XXS(address: usize): void {
  codebookIQ3_XXS = address;
}
export function placeIQ3_S(address: usize): void {
  codebookIQ3_S = address;
}
