import type { Finding } from "../finding.ts";

/** A finding about one packed weight whose configuration and tensors disagree. `message` is one sentence. */
export function packedFinding(message: string): Finding {
  return { code: "packed-weights", severity: "warning", message };
}

/** For a configuration whose group size is 0, under one of these keys; empty for others. */
export function zeroGroupFindings(config: unknown, keys: readonly string[]): Finding[] {
  if (typeof config !== "object" || config === null) return [];
  const settings = config as Readonly<Record<string, unknown>>;
  const key = keys.find((one) => settings[one] === 0 || settings[one] === "0");
  if (key === undefined) return [];
  return [
    {
      code: "quantization-config",
      severity: "warning",
      message: `The configuration says ${key} 0, which some tools write for one group of all columns; it is read so, and the tensors decide.`,
      key,
    },
  ];
}
