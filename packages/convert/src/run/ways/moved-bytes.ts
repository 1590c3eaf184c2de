/** The stored bytes of one tensor, as they lie. */
import { UsageError } from "@requant/core";
import { plainInput } from "../../plan/choose-way.ts";
import { byteUnits, type WayRunner } from "../bands.ts";

/** Bands of bytes: a tensor is moved whatever its encoding means. */
export const movedBytes: WayRunner = {
  layout: ({ byteLength }) => byteUnits(byteLength),
  maker(model, task) {
    const input = plainInput(task);
    if (input === undefined) {
      throw new UsageError("The plan moves bytes of several tensors as one.", { tensor: task.name });
    }
    return async ({ start, end }, area) => {
      await model.readInto(input.tensor, start, area.bytes("out", 0, end - start));
      return area.bytes("out", 0, end - start);
    };
  },
};
