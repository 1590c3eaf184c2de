import { type ByteSink, IoError, UsageError } from "@requant/core";
import { checksum } from "./checksum.ts";
import type { Comparison } from "./comparison.ts";
import { packedWeight } from "./linear/pack-weight.ts";
import type { Model } from "./model.ts";
import { reopenFile, writeFile } from "./output/kinds.ts";
import { type FileTensor, fileTensors, safetensorsOrder } from "./output/tensors.ts";
import { type OutputStore, refuseExisting, refuseOverlap } from "./output-store.ts";
import type { Plan, PlanFile, PlanTensor } from "./plan.ts";
import { type PlanReport, planReport } from "./plan-report.ts";
import { tensorStream } from "./weights.ts";

export interface RunProgress {
  readonly phase: "write" | "check";
  readonly file: string;
  readonly tensor: string | undefined;
  /** Bytes of tensor data so far in this phase, of all files of the run. */
  readonly done: number;
  readonly total: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** The jobs to do, by name of output file; all by default. */
  readonly files?: readonly string[] | undefined;
  /** Do not refuse files that exist. The store must be one that overwrites. */
  readonly overwrite?: boolean | undefined;
  /** Read every written tensor again and compare checksums. Default true. */
  readonly check?: boolean | undefined;
  /** f32 bytes of one band of rows. Default 4 MiB. */
  readonly bandByteLength?: number | undefined;
  /** The importance matrix that the plan was made with. */
  readonly imatrix?: ReadonlyMap<string, ArrayLike<number>> | undefined;
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

/** What was done: the plan's report with the measured errors and the time. */
export type ConversionReport = PlanReport & { readonly seconds: number };

/**
 * Memory of a run, whatever the model's size: the writer pulls one band at a time, a band is `bandByteLength` of f32 (one
 * row, if that is more), and per band there are at most its stored bytes, its values, its new bytes and, for lossy
 * tensors, the values decoded again: four bands. Pages of the reader add 4 MiB. The exception is a weight that is
 * transposed or reshaped on the way, which is held whole, one at a time.
 */
export const defaultBandByteLength: number = 4 * 1024 * 1024;

/**
 * Carries a plan out, or some of its jobs. Files appear under their names only when all of them are written; on failure
 * or abort nothing is left.
 * @throws UsageError for a plan of another model, or an output inside the source; IoError for an output that exists.
 */
export async function runPlan(
  plan: Plan,
  model: Model,
  output: OutputStore,
  options: RunOptions = {},
): Promise<ConversionReport> {
  const started = performance.now();
  const files = chosenFiles(plan, options.files);
  refuseOtherModel(plan, model);
  refuseOverlap(
    model,
    output,
    files.map(({ name }) => name),
  );
  if (options.overwrite !== true) await refuseExisting(output, files);
  const run = new Run(plan, model, options, files);
  await run.write(output);
  if (options.check !== false) await run.check(output);
  const report = planReport(plan);
  const measured = (tensor: PlanTensor): Comparison | undefined => run.measured.get(tensor);
  return {
    ...report,
    tensors: report.tensors.map((tensor, index) => {
      const planned = plan.tensors[index];
      const errors = planned === undefined ? undefined : measured(planned);
      return errors === undefined
        ? tensor
        : { ...tensor, rmse: errors.rmse, maxAbsError: errors.maxAbsError };
    }),
    seconds: (performance.now() - started) / 1000,
  };
}

function chosenFiles(plan: Plan, names: readonly string[] | undefined): PlanFile[] {
  if (names === undefined) return [...plan.files];
  return names.map((name) => {
    const file = plan.files.find((candidate) => candidate.name === name);
    if (file === undefined) throw new UsageError(`the plan makes no file "${name}"`);
    return file;
  });
}

function refuseOtherModel(plan: Plan, model: Model): void {
  const fits =
    plan.source.files.length === model.files.length &&
    plan.source.files.every(({ name, byteLength }, index) => {
      const file = model.files[index];
      return file !== undefined && file.name === name && file.byteLength === byteLength;
    });
  if (!fits) {
    throw new UsageError("the plan was made for another model, or the model's files have changed since", {
      path: model.name,
      hint: "Plan again.",
    });
  }
}

class Run {
  readonly measured: Map<PlanTensor, Comparison> = new Map();
  private readonly checksums = new Map<string, number>();
  /** Packed weights whose parts are not all written yet: one at a time, but for the small parts at a file's end. */
  private readonly packed = new Map<
    PlanTensor,
    { bytes: Promise<Record<string, Uint8Array>>; left: number }
  >();
  private readonly total: number;
  private done = 0;
  private readonly plan: Plan;
  private readonly model: Model;
  private readonly options: RunOptions;
  private readonly files: readonly PlanFile[];

  constructor(plan: Plan, model: Model, options: RunOptions, files: readonly PlanFile[]) {
    this.plan = plan;
    this.model = model;
    this.options = options;
    this.files = files;
    this.total = files
      .flatMap((file) => this.tensorsOf(file))
      .reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** What a file stores, in its order. */
  private tensorsOf(file: PlanFile): FileTensor[] {
    if (!("tensors" in file)) return [];
    const stored = fileTensors(file.tensors.flatMap((index) => this.plan.tensors[index] ?? []));
    return file.kind === "safetensors" ? safetensorsOrder(stored) : stored;
  }

  private report(
    phase: RunProgress["phase"],
    file: string,
    tensor: string | undefined,
    byteLength: number,
  ): void {
    this.done += byteLength;
    this.options.onProgress?.({ phase, file, tensor, done: this.done, total: this.total });
  }

  async write(output: OutputStore): Promise<void> {
    const sinks: ByteSink[] = [];
    const closed: string[] = [];
    try {
      for (const file of this.files) {
        this.options.signal?.throwIfAborted();
        const sink = await output.create(file.name);
        sinks.push(sink);
        const tensors = this.tensorsOf(file).map((tensor) => ({
          ...tensor,
          data: this.stream(file, tensor),
        }));
        await writeFile(sink, file, tensors);
        if (sink.byteLength !== file.byteLength) {
          throw new IoError(`the plan says ${file.byteLength} bytes, ${sink.byteLength} were written`, {
            path: sink.name,
          });
        }
      }
      for (const [index, sink] of sinks.entries()) {
        await sink.close();
        closed.push(this.files[index]?.name ?? "");
      }
    } catch (error) {
      for (const sink of sinks) await sink.abort();
      for (const name of closed) await output.remove?.(name);
      throw error;
    }
  }

  /** A tensor's bytes on their way to the writer, counted and summed. */
  private async *stream(file: PlanFile, tensor: FileTensor): AsyncGenerator<Uint8Array> {
    const sum = checksum();
    const pieces = tensor.suffix === undefined ? this.whole(tensor.weight) : this.part(tensor, tensor.suffix);
    for await (const piece of pieces) {
      sum.update(piece);
      yield piece;
      this.report("write", file.name, tensor.name, piece.byteLength);
    }
    this.checksums.set(tensor.name, sum.digest());
  }

  private async *whole(tensor: PlanTensor): AsyncGenerator<Uint8Array> {
    const { bandByteLength = defaultBandByteLength, signal, imatrix } = this.options;
    const name = tensor.through?.kind === "blocks" ? tensor.through.importance : tensor.importance;
    const entry = name === undefined ? undefined : imatrix?.get(name);
    if (name !== undefined && entry === undefined) {
      throw new UsageError("the plan quantizes with an importance matrix that the run was not given", {
        tensor: tensor.name,
      });
    }
    const columns = entry === undefined ? undefined : Float32Array.from(entry);
    const { bytes, measured } = tensorStream(this.model, tensor, { bandByteLength, signal }, columns);
    yield* bytes;
    if (measured !== undefined) this.measured.set(tensor, measured.result());
  }

  /** One part of a packed weight, which is made whole when its first part is asked for. */
  private async *part({ weight, byteLength }: FileTensor, suffix: string): AsyncGenerator<Uint8Array> {
    const { bandByteLength = defaultBandByteLength, signal } = this.options;
    let packed = this.packed.get(weight);
    if (packed === undefined) {
      const made = packedWeight(this.model, weight, { bandByteLength, signal }).then(
        ({ bytes, measured }) => {
          if (measured !== undefined) this.measured.set(weight, measured);
          return bytes;
        },
      );
      packed = { bytes: made, left: weight.linear?.parts.length ?? 1 };
      this.packed.set(weight, packed);
    }
    const all = await packed.bytes;
    const bytes = all[suffix] ?? new Uint8Array(0);
    delete all[suffix];
    packed.left -= 1;
    if (packed.left === 0) this.packed.delete(weight);
    for (let start = 0; start < byteLength; start += bandByteLength) {
      signal?.throwIfAborted();
      yield bytes.subarray(start, start + bandByteLength);
    }
  }

  async check(output: OutputStore): Promise<void> {
    this.done = 0;
    try {
      for (const file of this.files) await this.checkFile(output, file);
    } catch (error) {
      if (error instanceof IoError) for (const { name } of this.files) await output.remove?.(name);
      throw error;
    }
  }

  private async checkFile(output: OutputStore, file: PlanFile): Promise<void> {
    const path = `${output.name}/${file.name}`;
    const source = await output.open(file.name);
    if (source === undefined) throw new IoError("the file that was written is not there", { path });
    try {
      if (source.byteLength !== file.byteLength) {
        throw new IoError(`${file.byteLength} bytes were written, ${source.byteLength} are there`, { path });
      }
      const written = await reopenFile(source, file);
      for (const tensor of this.tensorsOf(file)) {
        const found = written.get(tensor.name);
        if (found === undefined)
          throw new IoError("a tensor that was written is not there", { path, tensor: tensor.name });
        const sum = checksum();
        const step = this.options.bandByteLength ?? defaultBandByteLength;
        for (let start = 0; start < found.byteLength; start += step) {
          this.options.signal?.throwIfAborted();
          const bytes = await found.read(start, Math.min(start + step, found.byteLength));
          sum.update(bytes);
          this.report("check", file.name, tensor.name, bytes.byteLength);
        }
        if (sum.digest() !== this.checksums.get(tensor.name) || found.byteLength !== tensor.byteLength) {
          throw new IoError("what was read back is not what was written", {
            path,
            tensor: tensor.name,
            hint: "The disk or the network file system lost data: write to another one.",
          });
        }
      }
    } finally {
      await source.close();
    }
  }
}
