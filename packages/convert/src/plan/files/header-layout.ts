/** Headers of planned files. A header with a large vocabulary is megabytes of work, so it is laid out once. */
import { layoutGguf } from "@requant/gguf";
import { layoutSafetensors } from "@requant/safetensors";
import { metadataFromJson } from "../metadata-json.ts";
import type { PlanFile } from "../plan.ts";
import type { FileTensor } from "./tensors.ts";

/** A header, and where the tensors behind it lie. */
export interface HeaderLayout {
  readonly header: Uint8Array;
  readonly byteLength: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly byteOffset: number;
    readonly byteLength: number;
  }[];
}

type TensorFile = Extract<PlanFile, { readonly tensors: unknown }>;

type LaidOut = Pick<FileTensor, "name" | "shape" | "encoding">;

interface Known extends HeaderLayout {
  /** What was laid out, as text: a file whose tensors were changed since is laid out again. */
  readonly stored: string;
}

/** Of files that were planned here, until they are asked for; a plan that was stored, sent or run before is laid out again. */
const known = new WeakMap<PlanFile, Known>();

/** Keeps the layout that a file was planned with, until the plan is run. */
export function rememberLayout<F extends TensorFile>(
  file: F,
  stored: readonly LaidOut[],
  { header, byteLength, tensors }: HeaderLayout,
): F {
  known.set(file, { header, byteLength, tensors, stored: textOf(stored) });
  return file;
}

function textOf(stored: readonly LaidOut[]): string {
  return stored.map(({ name, shape, encoding }) => `${name}\t${encoding}\t${shape.join(",")}`).join("\n");
}

/** The layout of a planned file. `stored`: its tensors, in their order. */
export function headerLayout(file: TensorFile, stored: readonly FileTensor[]): HeaderLayout {
  const found = known.get(file);
  // the text of a hundred thousand tensors is megabytes
  known.delete(file);
  if (found !== undefined && found.stored === textOf(stored)) return found;
  return file.kind === "gguf"
    ? layoutGguf({
        metadata: metadataFromJson(file.metadata),
        alignment: file.alignment,
        tensors: stored,
      })
    : layoutSafetensors(stored, file.metadata, { order: "given" });
}
