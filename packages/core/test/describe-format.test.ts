/**
 * Every case of the conformance suite can fail: a correct toy format passes all cases, and each broken one fails its own
 * case.
 */
import { describe, expect, it } from "vitest";
import { countSteps } from "../../../fixtures/count-steps.ts";
import { toy4Format } from "../../../fixtures/toy-format/src/index.ts";
import { describeFormat, formatCases } from "../src/testing/index.ts";
import { type Broken, toy, vector } from "./broken-formats.ts";
import { broken } from "./broken-table.ts";

async function failing({ format, vectors }: Broken): Promise<string[]> {
  const names: string[] = [];
  const own = vectors.map((one) => ({ ...one, bytes: structuredClone(one.bytes) }));
  for (const { name, run } of formatCases(format, own, { countSteps })) {
    try {
      await run();
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
      names.push(name.replace(/: counting codes$/, ""));
    }
  }
  return names;
}

describe("the conformance suite", () => {
  it("passes a correct format", async () => {
    expect(await failing(toy)).toEqual([]);
  });

  it.each(broken)("fails %s", async (_, name, format) => {
    expect(await failing(format)).toContain(name);
  });

  it("has a broken format for every case", () => {
    const names = formatCases(toy4Format, [vector], { countSteps }).map(({ name }) =>
      name.replace(/: counting codes$/, ""),
    );
    expect(names.filter((name) => !broken.some(([, failed]) => failed === name))).toEqual([]);
  });

  it("leaves out the target's own cases for a second set of vectors, and growth without a counter", () => {
    const namesOf = (options: Parameters<typeof formatCases>[2]): string[] =>
      formatCases(toy4Format, [vector], options).map(({ name }) => name);
    expect(namesOf({ vectorsOnly: true })).not.toContain("words out of range are refused");
    expect(namesOf({})).toContain("words out of range are refused");
    expect(namesOf({})).not.toContain("one row takes the steps of one row");
  });
});

describe("the toy format", () => {
  describeFormat(toy4Format, [vector], { describe, it, countSteps });
});
