export { allocateExl2, type Exl2Candidate, recipeErrors, sampleRows } from "./allocate.ts";
export { type Exl2Claims, type Exl2Layout, exl2Codec, exl2Groups } from "./codec.ts";
export { type Exl2Calibration, type Exl2Config, parseExl2Config, serializeExl2Config } from "./config.ts";
export { exl2Format } from "./format.ts";
export { EXL2_WIDTHS, type Exl2Group } from "./groups.ts";
export { type Exl2Integers, packExl2, unpackExl2 } from "./integers.ts";
export { type QuantizeExl2Options, quantizeExl2 } from "./quantize.ts";
export { type Exl2Recipe, exl2HeadRecipes, exl2Recipes, recipeBits, recipeGroups } from "./recipes.ts";
