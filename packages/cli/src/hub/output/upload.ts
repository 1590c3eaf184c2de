/** Carries out a plan into a repository: one file at a time lies on this machine until it is sent. */
import { createHash } from "node:crypto";
import { rm, rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type ConversionReport,
  type Model,
  type OutputStore,
  type Plan,
  type PlanReport,
  planReport,
  type RunOptions,
  refuseMixedModels,
  refuseTaken,
  runIdentity,
  runPlan,
} from "@requant/convert";
import { IoError, isCodecError, UsageError } from "@requant/core";
import type { HubRepository } from "@requant/core/hub";
import { directoryStore, makeFolders } from "@requant/core/node";
import type { Context } from "../../context.ts";
import { isAbort } from "../../exit.ts";
import { fileHash } from "../../file-hash.ts";
import { isThere } from "../../files-below.ts";
import { ProgressBar } from "../../render/progress.ts";
import { tell } from "../../render/tell.ts";
import { uploadState } from "../../upload-state.ts";
import { CARD, cardText, targetRepository } from "./card-facts.ts";
import { type CommitPlace, type CommittedFile, commitFiles, makeRepository } from "./commit.ts";
import { measuredTensors, type SentFiles, sentFiles, withMeasured } from "./sent-files.ts";
import type { HubTarget } from "./target.ts";

type PlannedFile = Plan["files"][number];

/** What each step of an upload works with. */
interface Upload {
  readonly target: HubTarget;
  readonly place: CommitPlace;
  readonly plan: Plan;
  readonly model: Model;
  readonly options: RunOptions;
  readonly context: Context;
  readonly planned: PlanReport;
  readonly stage: string;
  readonly files: SentFiles;
}

/**
 * Files of weights are made, sent, committed and removed here one by one; the last of them is committed with all small files and
 * the model card, so that no program finds a whole model before.
 * @throws UsageError without a token; IoError where the repository has a file of the same name, or cannot be written to
 */
export async function uploadToHub(
  target: HubTarget,
  plan: Plan,
  model: Model,
  options: RunOptions,
  context: Context,
): Promise<ConversionReport> {
  const started = performance.now();
  const place = commitPlace(target, options.signal);
  const { resume = false, overwrite = false } = options;
  const before = await targetRepository(target, options.signal);
  const key = `${target.endpoint}/${target.repository}/${target.branch}/${target.folder}${plan.files[0]?.name}`;
  const state = await uploadState(target.workFolder, key);
  const stage = target.stage ?? join(target.workFolder, `stage-${hashOf(key)}`);
  let isBegun = false;
  let isKept = false;
  try {
    const files = sentFiles(state, await runIdentity(plan, model, options), resume);
    const upload = { target, place, plan, model, options, context, planned: planReport(plan), stage, files };
    const left = leftOf(upload, before);
    if (before !== undefined) await refuseOthers(upload, before, left, overwrite);
    const isNew = before === undefined && (await makeRepository(place, target.isPrivate));
    if (target.isPrivate && !isNew && !files.isSameRun)
      tell("The repository was there already, so --private has no effect.", context);
    isBegun = true;
    await files.begin();
    await makeFolders(stage);
    const groups = groupsOf(left);
    for (const group of groups) await makeAndSend(upload, group, before, group === groups.at(-1));
    await compareWithHub(upload);
    return { ...reportOf(upload), seconds: (performance.now() - started) / 1000 };
  } catch (error) {
    isKept = isBegun && isInterruption(error);
    if (isKept) tell("What was made and sent is kept: the same command with --resume goes on.", context);
    throw error;
  } finally {
    // a run that was refused leaves alone what an earlier one has kept
    await state.end(isKept || (!isBegun && state.journal.byteLength > 0));
    if (isBegun && !isKept && target.stage === undefined) await rm(stage, { recursive: true, force: true });
  }
}

/** True for failures after which a later run can continue. */
function isInterruption(error: unknown): boolean {
  return isCodecError(error) ? error.code === "IO" : isAbort(error);
}

function commitPlace(target: HubTarget, signal: AbortSignal | undefined): CommitPlace {
  const { endpoint, token, repository, branch } = target;
  if (token === undefined) {
    throw new UsageError("An upload to the hub needs an access token with the right to write.", {
      hint: "Set HF_TOKEN, or run hf auth login.",
    });
  }
  return { endpoint, token, repository, branch, signal };
}

/** The planned files that the repository does not have from the run that is continued. */
function leftOf({ plan, files, target }: Upload, before: HubRepository | undefined): readonly PlannedFile[] {
  const hashes = new Map(before?.files?.map(({ path, sha256 }) => [path, sha256]));
  const isSent = ({ name }: PlannedFile): boolean => {
    const made = files.made.get(name);
    if (made === undefined || !files.sent.has(name)) return false;
    const found = hashes.get(target.folder + name);
    return hashes.has(target.folder + name) && (found === undefined || found === made.sha256);
  };
  return sentFrom(plan, target).filter((file) => !isSent(file));
}

/** The planned files without the card of the source, which the repository's own takes the place of. */
function sentFrom(plan: Plan, { folder }: HubTarget): readonly PlannedFile[] {
  return plan.files.filter(({ name }) => folder + name !== CARD);
}

/** Refuses files of the repository that are not of this run. */
async function refuseOthers(
  upload: Upload,
  before: HubRepository,
  left: readonly PlannedFile[],
  overwrite: boolean,
): Promise<void> {
  const { target, plan, files } = upload;
  const inside = target.folder === "" ? undefined : target.folder.slice(0, -1);
  const store: OutputStore = {
    ...before.store(inside),
    create() {
      throw new UsageError("A repository is written to by commits.", { path: target.repository });
    },
  };
  if (!files.isSameRun) await refuseMixedModels(plan, store);
  if (!overwrite) await refuseTaken(store, { files: left });
}

/** Each large file alone, and the small ones with the last of the large ones. */
function groupsOf(files: readonly PlannedFile[]): (readonly PlannedFile[])[] {
  const large = files.filter(({ kind }) => kind === "gguf" || kind === "safetensors");
  const small = files.filter((file) => !large.includes(file));
  const last = large.at(-1);
  const groups = large.slice(0, -1).map((file) => [file]);
  const end = last === undefined ? small : [last, ...small];
  return end.length === 0 ? groups : [...groups, end];
}

/** Makes the files of a group, commits them, with the card where the group is the last, and removes them here. */
async function makeAndSend(
  upload: Upload,
  group: readonly PlannedFile[],
  before: HubRepository | undefined,
  isLast: boolean,
): Promise<void> {
  const { target, place, plan, model, context, stage, files } = upload;
  for (const file of group) await makeFile(upload, file);
  const committed = group.map(
    ({ name }): CommittedFile => ({ path: target.folder + name, content: { file: join(stage, name) } }),
  );
  if (isLast) {
    const text = await cardText(target, model, before?.store(), reportOf(upload), plan, context);
    committed.push({ path: CARD, content: { text } });
  }
  const bytes = group.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const bar = new ProgressBar(context.streams.err, context.options.quiet === true);
  const title = `Add ${group.map(({ name }) => name)[0]}${group.length > 1 ? ` and ${group.length - 1} more` : ""}`;
  await commitFiles(place, title, committed, (share) => bar.update(share * bytes, bytes)).finally(() =>
    bar.end(),
  );
  for (const { name } of group) {
    await files.noteSent(name);
    await removeStaged(stage, name);
  }
}

/** Removes a file here, and its folders below the stage where they are empty. */
async function removeStaged(stage: string, name: string): Promise<void> {
  await unlink(join(stage, name)).catch(() => {});
  for (let folder = dirname(name); folder !== "."; folder = dirname(folder)) {
    await rmdir(join(stage, folder)).catch(() => {});
  }
}

/** Makes a file, unless an earlier run has: its hash tells. */
async function makeFile(
  { plan, model, options, planned, stage, files }: Upload,
  file: PlannedFile,
): Promise<void> {
  const { name, byteLength } = file;
  const path = join(stage, name);
  const { signal } = options;
  const made = files.made.get(name);
  if (made !== undefined && (await isThere(path)) && (await fileHash(path, signal)) === made.sha256) return;
  const report = await runPlan(plan, model, directoryStore(stage, { overwrite: true }), {
    ...options,
    overwrite: true,
    resume: files.isSameRun,
    files: [name],
  });
  const sha256 = await fileHash(path, signal);
  await files.noteMade({ name, byteLength, sha256, tensors: measuredTensors(report, planned) });
}

function reportOf({ planned, files }: Upload): PlanReport {
  return withMeasured(planned, files.made.values());
}

/** Compares the lengths and hashes that the hub lists with those of what was sent. */
async function compareWithHub({ target, plan, files, options }: Upload): Promise<void> {
  if (options.check === false) return;
  const after = await targetRepository(target, options.signal);
  const listed = new Map(after?.files?.map((file) => [file.path, file]));
  for (const { name, byteLength } of sentFrom(plan, target)) {
    const found = listed.get(target.folder + name);
    const sent = files.made.get(name)?.sha256;
    const isSame = found?.byteLength === byteLength && (found.sha256 === undefined || found.sha256 === sent);
    if (isSame) continue;
    throw new IoError(
      found === undefined
        ? "The hub does not list a file that was sent."
        : `The file was sent with ${byteLength} bytes and the SHA-256 ${sent}, but the hub lists ${found.byteLength} bytes and ${found.sha256 ?? "no hash"}.`,
      {
        path: `${target.endpoint}/${target.repository}/${target.folder}${name}`,
        hint: "Another program may have changed the repository: send the file again with --overwrite.",
      },
    );
  }
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
