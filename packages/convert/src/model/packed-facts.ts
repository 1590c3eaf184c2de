/** What the packed weights of a model show, next to what its configuration claims. */

import { elementCount, type Finding } from "@requant/core";
import type { MeasuredSettings } from "@requant/core/format";
import { completeFinding } from "./findings/finding.ts";
import type { MeasuredFact } from "./measured-fact.ts";
import type { Model, ModelTensor } from "./model.ts";

export interface PackedFacts {
  readonly measured: readonly MeasuredFact[];
  readonly findings: readonly Finding[];
}

interface Found {
  readonly tensor: ModelTensor;
  readonly settings: MeasuredSettings;
  readonly findings: readonly Finding[];
}

/** Reads the small parts of every packed weight. */
export async function packedFacts(model: Model): Promise<PackedFacts> {
  const found: Found[] = [];
  for (const tensor of model.tensors) {
    const { packed } = model.weight(tensor.name);
    if (packed === undefined) continue;
    const { settings, findings } = await packed.examine();
    found.push({ tensor, settings, findings });
  }
  if (found.length === 0) return { measured: [], findings: [] };
  return { measured: factsOf(model, found), findings: together(found) };
}

function factsOf(model: Model, found: readonly Found[]): MeasuredFact[] {
  const { claims, format } = model;
  const facts: MeasuredFact[] = [];
  const add = (
    label: string,
    measured: MeasuredFact["measured"],
    claimed: MeasuredFact["claimed"],
    agrees = claimed === undefined || measured === claimed,
  ): void => {
    facts.push({ label, measured, claimed, agrees });
  };
  const of = (tell: (settings: MeasuredSettings) => string | number | boolean | undefined): string =>
    counted(found.map(({ settings }) => tell(settings)));

  add("quantization", format, claims.method, claims.method === undefined || format === claims.format);
  add("packed weights", found.length, undefined);
  if (found.some(({ settings }) => settings.bitsVary === true)) {
    const head = found.filter(({ tensor }) => /(?:^|\.)lm_head\.weight$/.test(tensor.name));
    const decoder = found.filter((one) => !head.includes(one));
    add("bits per packed weight", average(decoder), claims.bits, near(average(decoder), claims.bits));
    // a head of 6 bits mixes some 8-bit columns in
    const headWidth = Number(head[0]?.settings.bits.split("+").at(-1));
    if (head.length > 0)
      add(
        "head",
        `${average(head)} bits`,
        claims.headBits === undefined ? undefined : `${claims.headBits} bits`,
        claims.headBits === undefined || claims.headBits === headWidth,
      );
    add("widths", counted(found.map(({ settings }) => `${settings.bits} bits`)), undefined);
  } else {
    const bits = of((settings) => settings.bits);
    add("bits", bits, claims.bits === undefined ? undefined : String(claims.bits));
    add(
      "zero points and packing",
      of(({ variant }) => variant),
      claims.variant,
    );
  }
  const groups = of(({ groupSize }) => groupSize);
  add("group size", groups, claimedGroups(claims.groupSize), agreesOnGroups(found, claims.groupSize));
  add(
    "symmetric",
    of(({ symmetric }) => symmetric),
    claims.symmetric === undefined ? undefined : String(claims.symmetric),
    // a layout with zero points holds symmetric weights as well
    claims.symmetric !== true || found.every(({ settings }) => settings.symmetric),
  );
  if (found.some(({ settings }) => settings.actOrder !== undefined)) {
    const orders = found.map(({ settings }) => settings.actOrder);
    const claimed = claims.actOrder;
    add(
      "act-order",
      counted(orders),
      claimed,
      claimed === undefined ||
        (claimed ? !orders.every((order) => order === "none") : !orders.includes("real")),
    );
  }
  return facts;
}

/** "4", or "4 (20), 8 (1)" where they differ. */
function counted(values: readonly (string | number | boolean | undefined)[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const [only] = sorted;
  if (only !== undefined && sorted.length === 1) return only[0];
  return sorted.map(([value, count]) => `${value} (${count})`).join(", ");
}

/** Bits per weight of some packed weights, everything stored counted. */
function average(found: readonly Found[]): number {
  const bits = found.reduce((sum, { tensor }) => sum + 8 * tensor.byteLength, 0);
  const weights = found.reduce((sum, { tensor }) => sum + elementCount(tensor.shape), 0);
  return weights === 0 ? 0 : Number((bits / weights).toFixed(3));
}

/** Averages miss what was asked for by the grain of the choices; more in small models, whose scales weigh more. */
function near(measured: number, claimed: number | undefined): boolean {
  return claimed === undefined || Math.abs(measured - claimed) <= 0.5;
}

function claimedGroups(groupSize: number | undefined): string | undefined {
  if (groupSize === undefined) return undefined;
  return groupSize === -1 ? "all columns" : String(groupSize);
}

/**
 * A claimed size may be larger than a row, act-order leaves no size to measure, and neighbouring groups may have the same
 * scale, so that they are measured as one.
 */
function agreesOnGroups(found: readonly Found[], claimed: number | undefined): boolean {
  if (claimed === undefined) return true;
  return found.every(({ tensor, settings }) => {
    const columns = tensor.shape[1] ?? 0;
    const size = claimed === -1 ? columns : Math.min(claimed, columns);
    return typeof settings.groupSize === "number" && settings.groupSize % size === 0;
  });
}

/** One finding for all weights that say the same. */
function together(found: readonly Found[]): Finding[] {
  const same = new Map<string, { readonly finding: Finding; readonly names: string[] }>();
  for (const { tensor, findings } of found) {
    for (const finding of findings) {
      const key = JSON.stringify(finding);
      const group = same.get(key) ?? { finding, names: [] };
      same.set(key, group);
      group.names.push(tensor.name);
    }
  }
  return [...same.values()].map(({ finding, names }) => {
    const [first = ""] = names;
    return completeFinding({
      ...finding,
      message:
        names.length === 1
          ? finding.message
          : `${finding.message} The same holds for ${names.length - 1} other ${names.length === 2 ? "weight" : "weights"}.`,
      tensor: first,
    });
  });
}
