/** What the user is told of a part. */
import type { PartReport } from "@requant/convert";
import type { Context } from "../context.ts";
import { exitStatus } from "../exit.ts";
import { byteQuantity, counted, duration } from "../render/quantity.ts";
import { writeJson } from "../streams.ts";

/** Tells what became of a part when it is made. */
export async function tellPart({ streams, options }: Context, running: Promise<PartReport>): Promise<number> {
  const report = await running;
  if (options.json === true) writeJson(streams, report);
  else if (options.quiet !== true) streams.out.write(`${summary(report)}\n`);
  return exitStatus.done;
}

function summary({ part, count, state, pieceCount, madeCount, byteLength, seconds }: PartReport): string {
  const text: Readonly<Record<PartReport["state"], string>> = {
    made: `${byteQuantity(byteLength)}, ${counted(madeCount, "piece")} of ${pieceCount} made in ${duration(seconds)}`,
    whole:
      pieceCount === 0
        ? "nothing to do: the plan has no work for this part"
        : `${byteQuantity(byteLength)}, made already`,
    published: "the output is finished already",
  };
  return `part ${part}/${count}: ${text[state]}`;
}
