import type { Run } from "../results.ts";

/** When and where a run measured. */
export function machinePart({
  machine,
  date,
  options,
}: Pick<Run, "date" | "machine"> & Partial<Pick<Run, "options">>): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const busy = machine.load.some((load) => load > machine.cores);
  return [
    `Measured on ${date}: ${machine.cpu}, ${machine.cores} cores, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.platform}; Node ${machine.node} (V8 ${machine.v8}); ${versions.join(", ")}.`,
    busy
      ? `The machine was busy with other work (load ${machine.load.map((load) => load.toFixed(1)).join(" at the start, ")} at the end): look at processor times and at the best runs.`
      : "",
    options?.["quick"] === true ? "A quick run: few samples." : "",
  ]
    .filter((line) => line !== "")
    .join(" ");
}
