import { dividedInputs } from "@requant/core/solve";
import type { StatisticsByMatrix } from "../statistics-file.ts";
import type { Folded } from "./folded.ts";

/** The statistics of a folded model: the inputs of each weight are divided by its scales. */
export function foldedStatistics<T extends StatisticsByMatrix>(
  statistics: T,
  { inputs }: Pick<Folded, "inputs">,
): Omit<T, "read"> & Pick<StatisticsByMatrix, "read"> {
  return {
    ...statistics,
    async read(name, matrix) {
      const own = await statistics.read(name, matrix);
      // an entry is shared only by weights that read the same inputs, so one of them has the scales of all
      const scales =
        inputs.get(name) ??
        sharing(statistics, name)
          .map((weight) => inputs.get(weight))
          .find(Boolean);
      if (scales === undefined) return own;
      const from = scales.length === own.columns ? 0 : matrix * own.columns;
      return dividedInputs(own, scales.subarray(from, from + own.columns));
    },
  };
}

function sharing({ shared }: StatisticsByMatrix, entry: string): string[] {
  return [...shared].flatMap(([name, owner]) => (owner === entry ? [name] : []));
}
