import type { Found } from "./find.ts";
import type { Model, OpenModelOptions } from "./model.ts";

/** A container: recognises its files and opens them as a model. */
export interface SourceFormat {
  /** True when what was found is this format. Asked in the order of the list, the special before the general. */
  recognises(found: Found): boolean | Promise<boolean>;
  /**
   * Opens what `recognises` accepted.
   * @throws FormatError, LimitError or UnsupportedError for a model that cannot be read
   */
  open(found: Found, options: OpenModelOptions): Promise<Model>;
}
