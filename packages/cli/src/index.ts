/**
 * The command line as a function: what `requant` does with its arguments.
 * @module
 * @example
 * import { main } from "@requant/cli";
 *
 * const status = await main(["inspect", "model.gguf", "--json"], { out: process.stdout, err: process.stderr });
 * if (status !== 0) console.error("model.gguf cannot be read");
 */

export type { TakenDefault } from "./config/taken-words.ts";
export { main } from "./main.ts";
export type { ErrStream, InStream, OutStream, Streams } from "./streams.ts";
