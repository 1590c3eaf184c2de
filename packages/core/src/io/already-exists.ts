import { IoError } from "../errors.ts";

/** The refusal to replace a file. */
export function alreadyExists(
  path: string,
  cause?: unknown,
  hint = "Choose another name, or give `overwrite` to replace it.",
): IoError {
  return new IoError("The file already exists.", {
    path,
    cause,
    hint,
  });
}
