/**
 * Whether a configuration's list of names has a module: by its whole name, or by some of the names between its dots
 * ("lm_head", "mlp.gate"), as transformers matches `modules_to_not_convert` (quantizers/quantizers_utils.py).
 */
export function isNamedModule(names: readonly string[], module: string): boolean {
  return names.some((name) => `.${module}.`.includes(`.${name}.`));
}
