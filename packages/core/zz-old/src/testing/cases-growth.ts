import type { OpenedWeight } from "../format/linear-codec.ts";
import type { WeightTarget } from "../format/weight-target.ts";
import { check } from "./check.ts";
import type { ConformanceCase, Subject } from "./conformance-case.ts";
import { type FormatVector, findWeight } from "./format-vector.ts";
import { packedFloats, settingsOf } from "./packed.ts";
import { rowsOf, viewOf } from "./weight-values.ts";

/** A weight of four times the size may take four times the steps, times this factor for work that is done once. */
const SLACK = 1.3;

/** How the work grows with the size of a weight, in steps. */
export function growthCases({ format, vectors, options: { countSteps } }: Subject): ConformanceCase[] {
  if (countSteps === undefined) return [];
  const { target } = format;
  return [
    {
      name: "one row takes the steps of one row",
      async run() {
        // counting is slow, and all vectors are read by the same code, so the smallest one is enough
        const [vector] = [...vectors].sort((a, b) => sizeOf(b) - sizeOf(a));
        check(vector !== undefined, "There is no vector.");
        checkOneRow((await findWeight(format, vector)).open(vector.bytes), countSteps);
      },
    },
    ...(target === undefined
      ? []
      : [
          {
            name: "four times the rows, or columns, take four times the steps",
            run: async () => checkSizes(target, countSteps),
          },
        ]),
  ];
}

type CountSteps = NonNullable<Subject["options"]["countSteps"]>;

function sizeOf({ expected }: FormatVector): number {
  return expected.rows * expected.columns;
}

/** A format that decodes a whole weight for each band takes as many steps for one row as for all. */
function checkOneRow(weight: OpenedWeight, countSteps: CountSteps): void {
  const read = (start: number, end: number) => (): void => {
    rowsOf(weight, start, end);
    viewOf(weight, start, end);
  };
  const half = Math.floor(weight.rows / 2);
  read(0, weight.rows)();
  const one = countSteps(read(half, half + 1));
  const all = countSteps(read(0, weight.rows));
  // steps inside a kernel are not counted, but a single row may be read without the kernel, in counted steps
  const most = Math.max(all / 4, STEPS_PER_WEIGHT * weight.columns);
  check(one <= most, `One row takes ${one} steps, and all ${weight.rows} take ${all}.`);
}

/** Steps that a single row may take for each of its columns: fewer than any vector has rows. */
const STEPS_PER_WEIGHT = 24;

function checkSizes(target: WeightTarget, countSteps: CountSteps): void {
  const settings = settingsOf(target, target.example);
  const sizes = [
    ["rows", { rows: 64, columns: 256 }, { rows: 256, columns: 256 }],
    ["columns", { rows: 64, columns: 256 }, { rows: 64, columns: 1024 }],
  ] as const;
  for (const [what, small, large] of sizes) {
    const [few, many] = [small, large].map((shape) => {
      const [made] = packedFloats(target, settings, shape);
      check(made !== undefined, `A weight of [${shape.rows}, ${shape.columns}] cannot be packed.`);
      const work = (): void => {
        const weight = made.encoder.open(made.bytes);
        rowsOf(weight);
        viewOf(weight);
      };
      work();
      return countSteps(work);
    });
    check(few !== undefined && many !== undefined && few > 0, "No steps were counted.");
    check(many <= 4 * SLACK * few, `Four times the ${what} take ${many} steps in place of ${few}.`);
  }
}
