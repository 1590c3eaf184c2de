/** Plans of one model for several targets, as one plan: one run reads the source for all of them. */
import { type Finding, UsageError } from "@requant/core";
import type { LeftOut } from "@requant/models";
import type { Plan, PlanFile, PlannedTarget, Target } from "../plan.ts";

/** The file of every target in one folder; a target that is itself a folder of files gets a folder named by the target. */
export function joinPlans(plans: readonly Plan[]): Plan {
  const [first, ...others] = plans;
  if (first === undefined) throw new UsageError("There is no target to plan for.");
  if (others.length === 0) return first;
  const files: PlanFile[] = [];
  const tensors: Plan["tensors"][number][] = [];
  for (const plan of plans) {
    const folder = folderOf(plan);
    for (const file of plan.files) files.push(placedFile(file, folder, tensors.length));
    for (const tensor of plan.tensors) tensors.push(tensor);
  }
  refuseClashes(plans, files);
  return {
    ...first,
    target: joinedTarget(plans.map(({ target }) => target)),
    tensors,
    files,
    leftOut: distinct<LeftOut>(plans.flatMap(({ leftOut }) => leftOut)),
    findings: distinct<Finding>(plans.flatMap(({ findings }) => findings)),
    byteLength: plans.reduce((sum, { byteLength }) => sum + byteLength, 0),
    targets: plans.map(
      (plan): PlannedTarget => ({
        target: plan.target,
        tensorCount: plan.tensors.length,
        fileCount: plan.files.length,
        leftOut: plan.leftOut,
        findings: plan.findings,
      }),
    ),
  };
}

/** The plan of each target again, with the places that its files have among all; a plan with one target is itself. */
export function plansByTarget(plan: Plan): Plan[] {
  const { targets, ...shared } = plan;
  if (targets === undefined) return [plan];
  let [tensorStart, fileStart] = [0, 0];
  return targets.map(({ target, tensorCount, fileCount, leftOut, findings }) => {
    const first = tensorStart;
    const files = plan.files
      .slice(fileStart, fileStart + fileCount)
      .map((file) => placedFile(file, undefined, -first));
    tensorStart += tensorCount;
    fileStart += fileCount;
    return {
      ...shared,
      target,
      tensors: plan.tensors.slice(first, tensorStart),
      files,
      leftOut,
      findings,
      byteLength: files.reduce((sum, { byteLength }) => sum + byteLength, 0),
    };
  });
}

/** Undefined for a target of GGUF files, which people keep side by side. */
function folderOf({ files, target }: Plan): string | undefined {
  return files.every(({ kind }) => kind === "gguf") ? undefined : target.text.replaceAll(":", "-");
}

/** The same file in a folder, its tensors counted from another place. */
function placedFile(file: PlanFile, folder: string | undefined, offset: number): PlanFile {
  const name = folder === undefined ? file.name : `${folder}/${file.name}`;
  if (!("tensors" in file)) return { ...file, name };
  // the same value where nothing changes: it is known what its header looks like
  if (offset === 0 && folder === undefined) return file;
  return { ...file, name, tensors: file.tensors.map((index) => offset + index) };
}

function joinedTarget(targets: readonly Target[]): Target {
  const formats = new Set(targets.map(({ format }) => format));
  const [only = ""] = formats;
  return {
    format: formats.size === 1 ? only : "several",
    settings: {},
    text: targets.map(({ text }) => text).join(","),
  };
}

/** Names that differ only in case, or in the Unicode form, are one file on many systems. */
function refuseClashes(plans: readonly Plan[], files: readonly PlanFile[]): void {
  const owners = plans.flatMap(({ files: own, target }) => own.map(() => target.text));
  const seen = new Map<string, string>();
  for (const [index, { name }] of files.entries()) {
    const key = name.normalize("NFC").toLowerCase();
    const owner = owners[index] ?? "";
    const other = seen.get(key);
    if (other !== undefined) {
      throw new UsageError(`The targets ${other} and ${owner} would both write the file ${name}.`, {
        hint: "Convert them one after the other, each to a file name of its own.",
      });
    }
    seen.set(key, owner);
  }
}

function distinct<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
}
