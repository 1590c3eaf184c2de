/** Why a release must not be published now. */

/** The state of the repository. */
export interface ReleaseState {
  /** The version of each package. */
  readonly versions: readonly string[];
  /** Lines of `git status --porcelain`. */
  readonly changes: readonly string[];
  /** Tags of the current commit. */
  readonly tags: readonly string[];
  readonly isCi: boolean;
  /** Changesets that no version has used yet. */
  readonly changesets: readonly string[];
}

/** One sentence for each reason; none where the release may be published. */
export function refusalsToPublish({ versions, changes, tags, isCi, changesets }: ReleaseState): string[] {
  const [version = "0.0.0", ...others] = [...new Set(versions)];
  const refusals: string[] = [];
  if (others.length > 0)
    refusals.push(
      `The packages have several versions: ${[version, ...others].join(", ")}. Run pnpm changeset version.`,
    );
  if (version === "0.0.0") refusals.push("The version is still 0.0.0. Run pnpm changeset version first.");
  if (changesets.length > 0)
    refusals.push(
      `${changesets.length} changesets are not in a version yet. Run pnpm changeset version and commit.`,
    );
  if (changes.length > 0)
    refusals.push(`Files are changed and not committed:\n${changes.map((line) => `  ${line}`).join("\n")}`);
  if (!isCi && !tags.includes(`v${version}`))
    refusals.push(`This is not CI, and the commit has no tag v${version}.`);
  return refusals;
}
