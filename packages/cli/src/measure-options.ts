/** The options of the commands that run a model over a text. */
import type { Command } from "commander";
import { needs } from "./needed-options.ts";
import { device, positive } from "./option-values.ts";

/** The options of commands that write one file which is no model. */
export function output(command: Command, description: string): Command {
  return needs(command, "-o, --output <file>", description).option("--overwrite", "replace an existing file");
}

const textHelp = "a file of plain text in UTF-8";

/** `--text` of a calibration. */
export const calibrationTextHelp = `${textHelp}, or builtin, the text that comes with this program`;

/** `--window`. */
export const windowOption = [
  "--window <tokens>",
  "tokens of a window; default: 512, as in llama.cpp's tools",
] as const;

/** `--jobs`. */
export const jobsOption = ["--jobs <n>", "threads; default: as many as there are cores", positive] as const;

/** `--device`. */
export const deviceOption = [
  "--device <device>",
  "what runs the model: cpu, the default, or webgpu, a graphics card by the npm package webgpu",
  device,
] as const;

/** `--resume` of the commands that keep finished layers. */
export const resumeOption = [
  "--resume",
  "go on after the last layer that an interrupted run has finished",
] as const;

/** The options of commands that run a model over a text. */
export function measuring(command: Command, text: string = textHelp): Command {
  return needs(command, "--text <file>", text)
    .option(...windowOption)
    .option(...jobsOption)
    .option(...deviceOption);
}
