/** Where the page was told to find a model. Plain data for the host. */
export type OpenRequest =
  /** Files that a person chose; `file` is the one that was named, where the model is not the whole set. */
  | {
      readonly kind: "files";
      /** For people. */
      readonly name: string;
      /** The folder that was chosen, which models are named after; undefined for files without one. */
      readonly folder: string | undefined;
      readonly files: ReadonlyMap<string, Blob>;
      readonly file: string | undefined;
    }
  /** An address as a person pastes it. */
  | { readonly kind: "address"; readonly text: string };

/** What the page shows until the model has a name of its own. */
export function requestName(request: OpenRequest): string {
  if (request.kind === "address") return request.text;
  return request.file ?? request.name;
}
