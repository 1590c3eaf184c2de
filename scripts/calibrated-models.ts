/** The commands calibrate, convert and evaluate, one after the other, on the trained model of the golden set. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main } from "../packages/cli/src/main.ts";

/** What became of the model. */
export interface MeasuredModel {
  /** Where it lies. */
  readonly path: string;
  /** Bytes of all files that hold weights. */
  readonly byteLength: number;
  /** Mean KL divergence from the model in BF16, in thousandths. */
  readonly kl: number;
}

/** Windows of the text, for statistics and for the evaluation. */
const WINDOW = ["--window", "256"];

export class CalibratedModels {
  /** The trained model in BF16. */
  readonly model: string;
  readonly #kjv: string;
  readonly #folder: string = mkdtempSync(join(tmpdir(), "requant-calibrated-"));
  #statistics: string | undefined;
  #made = 0;

  /** @param golden the golden set */
  constructor(golden: string) {
    this.#kjv = join(golden, "kjv");
    this.model = join(this.#kjv, "hf");
  }

  /** Converts a model, without calibration, and measures the result. */
  async convert(target: string, source: string = this.model, ...more: string[]): Promise<MeasuredModel> {
    const path = join(this.#folder, `${this.#made++}${target.startsWith("gguf:") ? ".gguf" : ""}`);
    await command("convert", source, path, "--to", target, "--quiet", ...more);
    const result = await command(
      "evaluate",
      path,
      ...["--base", this.model, "--text", join(this.#kjv, "heldout.txt"), "--json", ...WINDOW],
    );
    return { path, byteLength: weightBytes(path), kl: 1000 * Number(JSON.parse(result).kl) };
  }

  /** Converts the trained model, with the statistics of the calibration text, and measures the result. */
  async calibrated(target: string): Promise<MeasuredModel> {
    this.#statistics ??= await this.#calibrate();
    return this.convert(target, this.model, "--calibrate", this.#statistics);
  }

  async #calibrate(): Promise<string> {
    const path = join(this.#folder, "statistics.safetensors");
    const text = join(this.#kjv, "gguf/imatrix_calib.txt");
    await command("calibrate", this.model, "--text", text, "-o", path, ...WINDOW);
    return path;
  }

  /** Removes all that was made. */
  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function weightBytes(path: string): number {
  const files = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
  return files
    .filter((name) => /\.(?:gguf|safetensors)$/.test(name))
    .reduce((sum, name) => sum + statSync(name).size, 0);
}

/** What the command writes to standard output. @throws Error with its messages where it fails */
async function command(...argv: string[]): Promise<string> {
  let out = "";
  let err = "";
  const write = (add: (text: string) => void) => ({ write: add });
  const status = await main(argv, {
    out: write((text) => {
      out += text;
    }),
    err: write((text) => {
      err += text;
    }),
  });
  if (status !== 0) throw new Error(`requant ${argv.join(" ")}: ${err}`);
  return out;
}
