/**
 * Typed key-value facts about a model, as GGUF stores them. The container (`@requant/gguf`) and the model knowledge
 * (`@requant/models`) both use this type, so that neither depends on the other.
 */
export type NumberType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64";
/** Metadata types whose values are bigints. */
export type BigintType = "u64" | "i64";
/** The types of metadata values that are not arrays. */
export type ScalarType = NumberType | BigintType | "bool" | "string";

/** A metadata value that is not an array. */
export type MetadataScalar =
  | { readonly type: NumberType; readonly value: number }
  | { readonly type: BigintType; readonly value: bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string };

/** `value` may be a getter that decodes on first use: a vocabulary that is never used is never decoded. */
export type MetadataArray =
  | {
      readonly type: "array";
      readonly elementType: NumberType;
      readonly length: number;
      readonly value: ArrayLike<number>;
    }
  | {
      readonly type: "array";
      readonly elementType: BigintType;
      readonly length: number;
      readonly value: ArrayLike<bigint>;
    }
  | {
      readonly type: "array";
      readonly elementType: "bool";
      readonly length: number;
      readonly value: readonly boolean[];
    }
  | {
      readonly type: "array";
      readonly elementType: "string";
      readonly length: number;
      readonly value: readonly string[];
    }
  | {
      readonly type: "array";
      readonly elementType: "array";
      readonly length: number;
      readonly value: readonly MetadataArray[];
    };

/** A metadata value with its type. */
export type MetadataValue = MetadataScalar | MetadataArray;

/** Insertion order is file order. */
export type Metadata = ReadonlyMap<string, MetadataValue>;
