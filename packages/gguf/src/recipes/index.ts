export { importanceFindings } from "./account.ts";
export { chooseTypes } from "./choose.ts";
export { groupSize, is70B, type RecipeFacts, recipeFacts } from "./facts.ts";
export {
  type FileType,
  type ForeignFileType,
  fileTypeAliases,
  fileTypeByName,
  fileTypeByNumber,
  fileTypes,
  foreignFileTypes,
  isFileTypeName,
} from "./file-types.ts";
export { changeMetadata, type ImatrixOrigin, type MetadataChanges } from "./metadata.ts";
export { compareTensorNames } from "./order.ts";
export { assignableTypes, parseTensorOverride, parseTensorOverrides } from "./overrides.ts";
export type {
  RecipeOptions,
  RecipeTensor,
  TensorOverride,
  TypeChoice,
  TypeChoices,
  TypeRequest,
} from "./request.ts";
