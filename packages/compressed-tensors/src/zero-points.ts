import { UnsupportedError } from "@requant/core";
import type { ModuleContext } from "./module-context.ts";

/** Floats are symmetric: old files have zero points beside them, all of them 0. @throws UnsupportedError for others */
export async function refuseZeroPoints({
  parts,
  hints,
  place,
}: Pick<ModuleContext, "parts" | "hints" | "place">): Promise<void> {
  const zeros = parts.find(({ suffix }) => suffix === "weight_zero_point");
  if (zeros === undefined) return;
  const bytes = await hints.read(zeros);
  if (bytes.every((byte) => byte === 0)) return;
  throw new UnsupportedError(
    `The part weight_zero_point (${zeros.encoding} [${zeros.shape.join(", ")}]) is not all 0; weights of floats are read without zero points only.`,
    { ...place, hint: "Take the weights from the original model." },
  );
}
