/** The contenders of a whole conversion: llama.cpp's own, where it is installed, and requant. */
import type { Usage } from "./child-process.ts";
import { findNativeQuantize, type NativeQuantize } from "./native-run.ts";
import type { ProcessContender, ProcessTask } from "./processes.ts";
import { sameTensors } from "./same-tensors.ts";

export interface AgainstNative {
  /** The file of a contender. */
  output(contender: string): string;
  /** What llama.cpp is asked to do. */
  readonly job: Omit<NativeQuantize, "output">;
  /** The same by requant, with more options. */
  convert(output: string, ...options: string[]): Promise<Usage>;
}

/** Native neither measures errors nor reads its output again; both rows of requant measure errors, and one reads its output. */
export function againstNative({ output, job, convert }: AgainstNative): {
  readonly contenders: readonly ProcessContender[];
  /** Whether requant's tensors are native's. */
  readonly same: NonNullable<ProcessTask["same"]>;
} {
  const native = findNativeQuantize();
  const nativeOutput = output("native");
  const run = native === undefined ? undefined : () => native({ ...job, output: nativeOutput });
  const workers = job.threads;
  return {
    contenders: [
      ...(run === undefined ? [] : [{ name: "native", output: nativeOutput, run }]),
      { name: "requant", output: output("requant"), workers, run: () => convert(output("requant")) },
      {
        name: "requant --no-verify",
        output: output("unread"),
        workers,
        run: () => convert(output("unread"), "--no-verify"),
      },
    ],
    same: async (contender) =>
      native !== undefined && contender.workers !== undefined && contender.output !== undefined
        ? sameTensors(nativeOutput, contender.output)
        : undefined,
  };
}
