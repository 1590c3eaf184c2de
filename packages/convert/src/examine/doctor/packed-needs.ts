/** Packed weights against what a program reads of their format: the tables are the formats' own. */
import type { Finding } from "@requant/core";
import { readValues, type SettingNeed, unmetNeed } from "@requant/core/format";
import { weightFormats } from "../../formats.ts";
import { finding } from "../../model/findings/finding.ts";
import type { Model } from "../../model/model.ts";
import { few } from "./few.ts";
import { goesByConfig, labelOf, type Runtime } from "./runtimes.ts";

interface Unmet {
  readonly need: SettingNeed;
  readonly format: string;
  /** What the weights have: "codes of 3 bits". */
  readonly found: string;
  readonly tensors: string[];
}

/** Errors for what the program refuses; warnings for what some of its releases refuse. */
export async function packedNeedFindings(model: Model, runtime: Runtime): Promise<Finding[]> {
  const unmet = new Map<string, Unmet>();
  const formats = new Set<string>();
  for (const { name, shape, linear } of model.tensors) {
    if (linear === undefined) continue;
    formats.add(linear.format);
    const { packed } = model.weight(name);
    const settings = needsOf(linear.format, runtime)?.settings;
    if (packed === undefined || settings === undefined) continue;
    const { settings: measured } = await packed.examine();
    // a program goes by the configuration: it reads zero points only where that says so
    const symmetric = measured.symmetric && model.claims.symmetric !== false;
    for (const need of settings) {
      const found = unmetNeed(need, { ...measured, symmetric }, shape.at(-1) ?? 0);
      if (found === undefined) continue;
      const key = `${linear.format} ${found} ${need.varies}`;
      const known = unmet.get(key);
      if (known === undefined) unmet.set(key, { need, format: linear.format, found, tensors: [name] });
      else known.tensors.push(name);
    }
  }
  return [
    ...(formats.size > 0 && model.quantization === undefined && goesByConfig(runtime)
      ? [noConfig(runtime)]
      : []),
    ...[...unmet.values()].map((one) => settingFinding(one, runtime)),
    ...[...formats].flatMap((format) => keyFindings(model, format, runtime)),
  ];
}

function noConfig(runtime: Runtime): Finding {
  return finding(
    "unknown-to-runtime",
    `No quantization configuration says that the weights are packed, so ${labelOf(runtime)} takes them for floats.`,
    { path: "config.json", key: "quantization_config" },
    "Take the quantization_config from the original model.",
  );
}

function needsOf(format: string, runtime: Runtime) {
  return weightFormats.find(({ name }) => name === format)?.runtimes?.[runtime];
}

function settingFinding({ need, format, found, tensors }: Unmet, runtime: Runtime): Finding {
  const label = labelOf(runtime);
  const [tensor] = tensors;
  const which = `${tensors.length} of the weights (${few(tensors)}) have ${found}`;
  if (need.varies === true)
    return {
      ...finding(
        "runtime-limits",
        `${which}; not every release of ${label} reads these of ${format}: all read ${readValues(need)}.`,
        { tensor },
        `Try the model with your release of ${label}.`,
      ),
      severity: "warning",
    };
  return finding(
    "unknown-to-runtime",
    `${which}; ${label} reads of ${format} only ${readValues(need)}.`,
    { tensor },
    `Convert the model to settings that ${label} reads.`,
  );
}

/** A configuration that the program refuses: keys without which it stops. */
function keyFindings(model: Model, format: string, runtime: Runtime): Finding[] {
  const { quantization } = model;
  const keys = needsOf(format, runtime)?.configKeys ?? [];
  // another method's configuration has keys of its own
  if (quantization === undefined || (quantization.method ?? format) !== format) return [];
  return keys
    .filter((spellings) => !spellings.some((key) => Object.hasOwn(quantization.json, key)))
    .map(([key = ""]) =>
      finding(
        "unknown-to-runtime",
        `The quantization configuration has no ${key}, which ${labelOf(runtime)} needs.`,
        { path: quantization.path, key },
        "Add the key to the configuration, with the value that the tensors show.",
      ),
    );
}
