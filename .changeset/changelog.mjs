// Writes the lines of CHANGELOG.md. All packages have one version, so lines about updated dependencies would say nothing.

/** A changeset as one item of a list; its further lines belong to the item. */
function getReleaseLine({ summary }) {
  const [first, ...rest] = summary.trim().split("\n");
  return [`- ${first}`, ...rest.map((line) => (line.trim() === "" ? "" : `  ${line.trimEnd()}`))].join("\n");
}

const getDependencyReleaseLine = () => "";

// biome-ignore lint/style/noDefaultExport: changesets reads the default export
export default { getReleaseLine, getDependencyReleaseLine };
